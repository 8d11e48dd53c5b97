//! A corpus of real mail, trained on its older half and tested on the newer one. `PILLARBOX_JUNK_CORPUS` names a directory
//! with `train/ham`, `train/spam`, `test/ham`, `test/spam`, messages numbered in time order, as `tests/peers/prepare.py`
//! makes it; without it there is nothing to test here. `tests/peers/compare.sh` runs it beside other filters.

#![allow(clippy::unwrap_used)]

use junk::{Class, Counts, Facts, Features, Learn, Verdict, start};
use std::fs;
use std::path::Path;

struct Mail {
    class: Class,
    name: String,
    features: Features,
}

fn load(half: &Path) -> Vec<Mail> {
    let (mut mails, mut bytes, mut microseconds) = (Vec::new(), 0, 0.0);
    for (folder, class) in [("ham", Class::Wanted), ("spam", Class::Junk)] {
        for entry in fs::read_dir(half.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let message = fs::read(&path).unwrap();
            let before = processor_microseconds();
            let features = Features::of(&message, Facts::default());
            (bytes, microseconds) = (bytes + message.len(), microseconds + processor_microseconds() - before);
            mails.push(Mail { class, name: path.file_name().unwrap().to_string_lossy().into_owned(), features });
        }
    }
    println!(
        "features of a message of {} octets: {:.0} µs of a processor",
        bytes / mails.len().max(1),
        microseconds / mails.len().max(1) as f64
    );
    mails.sort_by(|a, b| a.name.cmp(&b.name));
    mails
}

/// What a processor has done for this thread.
fn processor_microseconds() -> f64 {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split_once(' ').unwrap().0.parse::<f64>().unwrap() / 1000.0
}

fn teach(counts: &mut Counts, mail: &Mail, verdict: &Verdict) {
    if verdict.teaches(mail.class) {
        counts.learn(&mail.features, mail.class, Learn::Add);
    }
}

fn teach_all(counts: &mut Counts, mails: &[Mail]) {
    for mail in mails {
        let verdict = Verdict::of(&mail.features, counts, start());
        teach(counts, mail, &verdict);
    }
}

/// What a filter that was taught so many sixths of mail says of the next one.
fn next_sixth(mails: &[Mail], sixth: usize) -> Vec<(&Mail, Verdict)> {
    let (known, next) = (mails.len() * sixth / 6, mails.len() * (sixth + 1) / 6);
    let mut counts = Counts::default();
    teach_all(&mut counts, mails.get(..known).unwrap());
    let next = mails.get(known..next).unwrap();
    next.iter().map(|mail| (mail, Verdict::of(&mail.features, &counts, start()))).collect()
}

/// In percent: false alarms and what was caught.
fn report(title: &str, verdicts: &[(&Mail, Verdict)]) -> (f64, f64) {
    let of = |class| verdicts.iter().filter(move |(mail, _)| mail.class == class);
    let share = |class| {
        let junk = of(class).filter(|(_, verdict)| verdict.is_junk()).count();
        (junk, of(class).count(), 100.0 * junk as f64 / of(class).count() as f64)
    };
    let (alarms, ham, alarm) = share(Class::Wanted);
    let (caught, spam, catch) = share(Class::Junk);
    println!(
        "{title}: {alarms} false alarms in {ham} ham ({alarm:.2} %), {caught} of {spam} spam caught ({catch:.1} %)"
    );
    (alarm, catch)
}

#[test]
fn a_corpus_is_told_apart_in_time_order() {
    let Some(corpus) = std::env::var_os("PILLARBOX_JUNK_CORPUS") else { return };
    let corpus = Path::new(&corpus);
    let (older, newer) = (load(&corpus.join("train")), load(&corpus.join("test")));
    // What constants are chosen by: the newer half is not looked at.
    let inside: Vec<_> = (2..6).flat_map(|sixth| next_sixth(&older, sixth)).collect();
    report("inside the older half", &inside);
    curve(&inside);
    let mut counts = Counts::default();
    teach_all(&mut counts, &older);
    println!("taught: {:?} of {} messages", counts.messages(), older.len());
    let judge = |counts: &Counts, mail: &Mail| Verdict::of(&mail.features, counts, start());
    let before = processor_microseconds();
    let verdicts: Vec<_> = newer.iter().map(|mail| (mail, judge(&counts, mail))).collect();
    println!("a verdict: {:.0} µs of a processor", (processor_microseconds() - before) / newer.len() as f64);
    let (alarm, catch) = report("without correction", &verdicts);
    curve(&verdicts);
    let corrected: Vec<_> = newer
        .iter()
        .map(|mail| {
            let verdict = judge(&counts, mail);
            teach(&mut counts, mail, &verdict);
            (mail, verdict)
        })
        .collect();
    report("corrected as its owner would", &corrected);
    curve(&corrected);
    // What the filter reaches on mail of later months; the aim, 97 %, it reaches inside the older half alone
    // (docs/decisions/0088-how-a-header-is-written.md).
    assert!(alarm <= 0.1, "{alarm}");
    assert!(catch >= 88.0, "{catch}");
}

/// What is caught where no, one, two, five wanted messages are taken for junk.
fn curve(verdicts: &[(&Mail, Verdict)]) {
    let scores = |class| {
        let of = verdicts.iter().filter(move |(mail, _)| mail.class == class);
        let mut scores: Vec<i32> = of.map(|(_, verdict)| verdict.score).collect();
        scores.sort_unstable_by(|a, b| b.cmp(a));
        scores
    };
    let (wanted, junk) = (scores(Class::Wanted), scores(Class::Junk));
    for alarms in [0, 1, 2, 5] {
        let Some(highest) = wanted.get(alarms) else { continue };
        let caught = junk.iter().filter(|score| *score > highest).count();
        println!("  {alarms} false alarms: {:.1} % caught, above {highest}", 100.0 * caught as f64 / junk.len() as f64);
    }
}
