//! What is counted of mail that comes.

use metrics::{Counts, DELIVERIES, Exposition, JUNK_JUDGED, JUNK_LEARNT};

/// Of all accounts together.
#[derive(Clone)]
pub(crate) struct Figures {
    pub(crate) deliveries: Counts<1>,
    pub(crate) judged: Counts<1>,
    pub(crate) learnt: Counts<0>,
}

impl Default for Figures {
    fn default() -> Self {
        let (deliveries, judged) = (Counts::new(&DELIVERIES), Counts::new(&JUNK_JUDGED));
        Self { deliveries, judged, learnt: Counts::new(&JUNK_LEARNT) }
    }
}

impl Figures {
    pub(crate) fn tell(&self, told: &mut Exposition) {
        self.deliveries.tell(told);
        self.judged.tell(told);
        self.learnt.tell(told);
    }
}
