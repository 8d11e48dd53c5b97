//! What the DNS says.

/// Records of one type. None of them is an answer too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// In the order in which they came.
    pub records: Vec<T>,
    /// Whether there is such a name at all, with records of whatever type; true where the server left it open.
    pub name_exists: bool,
    /// Whether all records were signed down from a trust anchor, and the aliases that led to them. Never true without records.
    pub secure: bool,
    /// The name that has the records, in lower case and without the last dot: another one than was asked for if that is an
    /// alias (CNAME).
    pub canonical: String,
}

/// A host that takes mail (RFC 5321 §5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mx {
    /// Lower ones are tried first.
    pub preference: u16,
    /// In lower case, ASCII, without the last dot; empty for "no mail" (RFC 7505).
    pub exchange: String,
}

/// A certificate, or what it is signed by, as its owner publishes it (RFC 6698 §2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tlsa {
    /// 2 and 3 are those that mail knows (RFC 7672 §3.1).
    pub usage: u8,
    /// 0: the whole certificate; 1: its public key.
    pub selector: u8,
    /// 0: as it is; 1: SHA-256; 2: SHA-512.
    pub matching: u8,
    /// Octets.
    pub data: Vec<u8>,
}
