//! What a mailbox is for.

use crate::codec::{Corrupt, Reader};

/// A mailbox's purpose (RFC 6154 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The mailbox that mail arrives in; it cannot be deleted, and renaming it leaves an empty one (RFC 9051 §6.3.6).
    Inbox,
    /// `\Drafts`
    Drafts,
    /// `\Sent`
    Sent,
    /// `\Junk`
    Junk,
    /// `\Trash`
    Trash,
    /// `\Archive`
    Archive,
    /// The mailbox of what is held ([`crate::hold`]); made by need, and nothing comes there or goes from there otherwise.
    Held,
}

impl Role {
    /// Those of the mailboxes that an account has from the start.
    pub const ALL: [Self; 6] = [Self::Inbox, Self::Drafts, Self::Sent, Self::Junk, Self::Trash, Self::Archive];

    /// The mailbox name that it has from the start.
    #[must_use]
    pub fn default_name(self) -> &'static str {
        match self {
            Self::Inbox => "INBOX",
            Self::Drafts => "Drafts",
            Self::Sent => "Sent",
            Self::Junk => "Junk",
            Self::Trash => "Trash",
            Self::Archive => "Archive",
            Self::Held => "Held",
        }
    }

    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Inbox => 0,
            Self::Drafts => 1,
            Self::Sent => 2,
            Self::Junk => 3,
            Self::Trash => 4,
            Self::Archive => 5,
            Self::Held => 6,
        }
    }

    /// The purpose of a mailbox that a program made under a name of its own: iOS and macOS without SPECIAL-USE, Outlook 2010
    /// and older, in the language of its user. In any case of letters, first levels only.
    #[must_use]
    pub fn of_alias(name: &str) -> Option<Self> {
        let name = name.to_lowercase();
        ALIASES.iter().find(|(alias, _)| alias.to_lowercase() == name).map(|(_, role)| *role)
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let number = r.byte()?;
        Self::ALL.into_iter().chain([Self::Held]).find(|role| role.number() == number).ok_or(Corrupt)
    }
}

const ALIASES: [(&str, Role); 53] = [
    ("Sent Messages", Role::Sent),
    ("Sent Items", Role::Sent),
    ("Sent Mail", Role::Sent),
    ("Deleted Messages", Role::Trash),
    ("Deleted Items", Role::Trash),
    ("Junk E-mail", Role::Junk),
    ("Junk Email", Role::Junk),
    ("Bulk Mail", Role::Junk),
    ("Spam", Role::Junk),
    ("Draft", Role::Drafts),
    ("Archives", Role::Archive),
    // German.
    ("Gesendete Elemente", Role::Sent),
    ("Gesendete Objekte", Role::Sent),
    ("Gelöschte Elemente", Role::Trash),
    ("Gelöschte Objekte", Role::Trash),
    ("Papierkorb", Role::Trash),
    ("Junk-E-Mail", Role::Junk),
    ("Entwürfe", Role::Drafts),
    ("Archiv", Role::Archive),
    // French.
    ("Éléments envoyés", Role::Sent),
    ("Messages envoyés", Role::Sent),
    ("Éléments supprimés", Role::Trash),
    ("Corbeille", Role::Trash),
    ("Courrier indésirable", Role::Junk),
    ("Brouillons", Role::Drafts),
    // Spanish.
    ("Elementos enviados", Role::Sent),
    ("Elementos eliminados", Role::Trash),
    ("Papelera", Role::Trash),
    ("Correo no deseado", Role::Junk),
    ("Borradores", Role::Drafts),
    ("Archivo", Role::Archive),
    // Italian.
    ("Posta inviata", Role::Sent),
    ("Posta eliminata", Role::Trash),
    ("Cestino", Role::Trash),
    ("Posta indesiderata", Role::Junk),
    ("Bozze", Role::Drafts),
    ("Archivio", Role::Archive),
    // Dutch.
    ("Verzonden items", Role::Sent),
    ("Verwijderde items", Role::Trash),
    ("Prullenbak", Role::Trash),
    ("Ongewenste e-mail", Role::Junk),
    ("Concepten", Role::Drafts),
    ("Archief", Role::Archive),
    // Portuguese.
    ("Itens Enviados", Role::Sent),
    ("Itens Excluídos", Role::Trash),
    ("Lixo Eletrônico", Role::Junk),
    ("Rascunhos", Role::Drafts),
    // Japanese.
    ("送信済みアイテム", Role::Sent),
    ("送信済みメール", Role::Sent),
    ("削除済みアイテム", Role::Trash),
    ("ごみ箱", Role::Trash),
    ("迷惑メール", Role::Junk),
    ("下書き", Role::Drafts),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outlook_in_another_language_made_a_second_sent() {
        let check = |name: &str, role: Option<Role>| assert_eq!(Role::of_alias(name), role, "{name}");
        check("SENT ITEMS", Some(Role::Sent));
        check("Gesendete Elemente", Some(Role::Sent));
        check("GELÖSCHTE ELEMENTE", Some(Role::Trash));
        check("éléments envoyés", Some(Role::Sent));
        check("Correo no deseado", Some(Role::Junk));
        check("下書き", Some(Role::Drafts));
        check("Gesendete Elemente/2026", None);
        check("Rechnungen", None);
    }

    #[test]
    fn an_alias_means_one_thing() {
        for (at, (alias, _)) in ALIASES.iter().enumerate() {
            assert!(ALIASES[..at].iter().all(|(other, _)| other.to_lowercase() != alias.to_lowercase()), "{alias}");
        }
    }
}
