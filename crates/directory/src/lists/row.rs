//! A list as it is kept: a row `M address`.

use super::rules::POSTS_PER_HOUR;
use super::{Approval, Invited, List, Member, Posting, Whose};
use crate::error::Error;
use crate::record::{self, damaged, key, name_in};
use store::codec::{Corrupt, Reader, Writer};
use store::{AccountId, Row, TableTx, Timestamp};
use wording::tr;

const FORMAT: u8 = 3;
/// Before anybody was invited, or wanted nothing for a while.
const FORMAT_WITHOUT_INVITATIONS: u8 = 2;
/// Before there were rules for posts.
const FORMAT_WITHOUT_RULES: u8 = 1;
/// A bit beside who may write: anybody may join.
const OPEN: u8 = 0x10;
/// A bit beside whose mail a member's is: they want nothing for now.
const RESTS: u8 = 0x10;

impl List {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut value = Writer::of_format(FORMAT);
        let posting = match self.posting {
            Posting::Owners => 0,
            Posting::Members => 1,
            Posting::Anybody => 2,
        };
        let approval = match self.approval {
            Approval::Nobody => 0,
            Approval::Others => 1,
            Approval::All => 2,
        };
        value.byte(posting | if self.is_open { OPEN } else { 0 });
        value.byte(approval).raw(&self.posts_per_hour.to_be_bytes()).raw(&self.post_kib_max.to_be_bytes());
        value.wide_text(&self.title).byte(self.owners.len() as u8);
        for owner in &self.owners {
            value.raw(&owner.0.to_be_bytes());
        }
        value.byte(self.invited.len() as u8);
        for invited in &self.invited {
            value.wide_text(&invited.address).raw(&invited.at.0.to_be_bytes());
        }
        for member in &self.members {
            let rests = if member.rests { RESTS } else { 0 };
            match &member.whose {
                Whose::Account(id) => value.byte(rests).raw(&id.0.to_be_bytes()),
                Whose::Outside(address) => value.byte(1 | rests).wide_text(address),
            };
            value.byte(member.bounces).raw(&member.bounced_at.0.to_be_bytes());
        }
        value.0
    }

    pub(super) fn decode(address: &str, value: &[u8]) -> Result<Self, Corrupt> {
        let mut fields = Reader(value);
        let format = fields.byte()?;
        if !(FORMAT_WITHOUT_RULES..=FORMAT).contains(&format) {
            return Err(Corrupt);
        }
        let (has_rules, has_invitations) = (format >= FORMAT_WITHOUT_INVITATIONS, format > FORMAT_WITHOUT_INVITATIONS);
        let bits = fields.byte()?;
        let (is_open, posting) = (bits & OPEN != 0, bits & !OPEN);
        let posting = match posting {
            0 => Posting::Owners,
            1 => Posting::Members,
            2 => Posting::Anybody,
            3.. => return Err(Corrupt),
        };
        let (mut approval, mut posts_per_hour, mut post_kib_max) = (Approval::Nobody, POSTS_PER_HOUR, 0);
        if has_rules {
            approval = match fields.byte()? {
                0 => Approval::Nobody,
                1 => Approval::Others,
                2 => Approval::All,
                3.. => return Err(Corrupt),
            };
            (posts_per_hour, post_kib_max) = (u16::from_be_bytes(fields.array()?), u32::from_be_bytes(fields.array()?));
        }
        let title = fields.wide_text()?;
        let number = |fields: &mut Reader<'_>| fields.array().map(|number| AccountId(u32::from_be_bytes(number)));
        let owners = (0..fields.byte()?).map(|_| number(&mut fields)).collect::<Result<_, _>>()?;
        let mut invited = Vec::new();
        let count = if has_invitations { fields.byte()? } else { 0 };
        for _ in 0..count {
            let (address, at) = (fields.wide_text()?, Timestamp(i64::from_be_bytes(fields.array()?)));
            invited.push(Invited { address, at });
        }
        let members = Self::decode_members(&mut fields)?;
        let address = address.to_owned();
        Ok(Self { address, title, posting, is_open, approval, posts_per_hour, post_kib_max, owners, members, invited })
    }

    fn decode_members(fields: &mut Reader<'_>) -> Result<Vec<Member>, Corrupt> {
        let mut members = Vec::new();
        while !fields.0.is_empty() {
            let bits = fields.byte()?;
            let whose = match bits & !RESTS {
                0 => Whose::Account(AccountId(u32::from_be_bytes(fields.array()?))),
                1 => Whose::Outside(fields.wide_text()?),
                2.. => return Err(Corrupt),
            };
            let (bounces, bounced_at) = (fields.byte()?, Timestamp(i64::from_be_bytes(fields.array()?)));
            members.push(Member { whose, bounces, bounced_at, rests: bits & RESTS != 0 });
        }
        Ok(members)
    }

    /// Of an `M` row.
    pub(crate) fn of_row((key, value): &Row) -> Result<Self, store::Error> {
        Self::decode(name_in(key)?, value).map_err(|Corrupt| damaged(key))
    }

    pub(super) fn read(tx: &TableTx<'_>, address: &str) -> Result<Self, Error> {
        let key = key(record::LIST, address);
        match tx.get(&key)? {
            Some(value) => Ok(Self::of_row(&(key, value))?),
            None => Err(Error::refused(tr!(
                "there is no list {address}; `pillarbox list all` shows all",
                address = address
            ))),
        }
    }

    pub(super) fn write(&self, tx: &mut TableTx<'_>) {
        tx.put(&key(record::LIST, &self.address), self.encode());
    }
}
