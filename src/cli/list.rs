//! `pillarbox list`: addresses whose mail goes to members who come and go.

use clap::{Args, Subcommand, ValueEnum};
use console::{ListLine, PostLine};
use web::Call;

use super::Outcome;
use super::place::Place;
use super::show::{Format, or_dash, table};

/// Make lists for announcements and discussions, and say who is a member
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct List {
    #[command(flatten)]
    format: Format,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Each member gets a copy with a way out of the list. What a stranger writes leaves under the name of the list, so publish the
records of its domain (`pillarbox domain records`).

Examples:
  pillarbox list add choir@example.org --owner alice@example.org            members write to each other
  pillarbox list add news@example.org --owner alice@example.org --posting owners --title \"Our news\"
  pillarbox list join choir@example.org bob@example.org dave@example.com
  pillarbox list invite choir@example.org eve@example.net                   she is asked by a letter
  pillarbox list approval choir@example.org others                          what strangers write waits for an owner
  pillarbox list waiting choir@example.org
  pillarbox list show choir@example.org
  pillarbox list leave choir@example.org dave@example.com";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make an address a list
    Add {
        /// Its address
        list: String,
        /// An account that says who is a member, and is told of mail that comes back
        #[arg(long = "owner", required = true, value_name = "ADDRESS")]
        owners: Vec<String>,
        /// Who may write to it
        #[arg(long, value_enum, default_value_t = Posting::Members)]
        posting: Posting,
        /// What people call it
        #[arg(long, default_value = "")]
        title: String,
    },
    /// Say who may write to a list
    Posting {
        /// Which
        list: String,
        /// Who
        #[arg(value_enum)]
        posting: Posting,
    },
    /// Say whether anybody may join a list by a mail to its name with +join
    Joining {
        /// Which
        list: String,
        /// Whether
        #[arg(value_enum)]
        joining: Joining,
    },
    /// Say which posts wait until an owner lets them go
    Approval {
        /// Which
        list: String,
        /// Whose
        #[arg(value_enum)]
        approval: Approval,
    },
    /// Say how much a list takes
    Limits {
        /// Which
        list: String,
        /// So many posts in an hour
        #[arg(long, value_name = "NUMBER")]
        posts_per_hour: Option<u16>,
        /// So many KiB in a post; 0: as many as the server takes
        #[arg(long, value_name = "KIB")]
        post_kib_max: Option<u32>,
    },
    /// Show the posts of a list that wait for an owner
    Waiting {
        /// Which
        list: String,
    },
    /// Let a post that waits go to all members
    Approve {
        /// Which list
        list: String,
        /// Its number
        post: u64,
    },
    /// Let a post that waits go to nobody
    Reject {
        /// Which list
        list: String,
        /// Its number
        post: u64,
    },
    /// List all lists
    All,
    /// Show a list with its members
    Show {
        /// Which
        list: String,
    },
    /// Make somebody a member, or let a member have mail again that came back
    Join {
        /// Which list
        list: String,
        /// Accounts here, and addresses elsewhere
        #[arg(required = true, value_name = "ADDRESS")]
        members: Vec<String>,
    },
    /// Ask somebody by a letter whether they want to be a member
    Invite {
        /// To which list
        list: String,
        /// Addresses
        #[arg(required = true, value_name = "ADDRESS")]
        members: Vec<String>,
    },
    /// Take members away
    Leave {
        /// Which list
        list: String,
        /// Who
        #[arg(required = true, value_name = "ADDRESS")]
        members: Vec<String>,
    },
    /// Remove a list
    Remove {
        /// Which
        list: String,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Posting {
    /// Its owners: announcements
    Owners,
    /// Its members and owners: a discussion
    Members,
    /// Everybody
    Anybody,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Approval {
    /// None: what may not be is refused
    Nobody,
    /// Of whoever is no member, or does not prove to be the author
    Others,
    /// Of everybody but owners
    All,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Joining {
    /// Whoever proves to be the author (SPF, DKIM) is a member
    Open,
    /// Only its owners and administrators say who is
    Closed,
}

impl Posting {
    fn name(self) -> &'static str {
        match self {
            Self::Owners => "owners",
            Self::Members => "members",
            Self::Anybody => "anybody",
        }
    }
}

impl List {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let format = self.format;
        match self.verb {
            Verb::Add { list, owners, posting, title } => {
                let text = format!("{list} is a list now.\n");
                let call = Call::new("POST /api/v1/admin/lists").with("list", list).with("title", title);
                let call = call.with("posting", posting.name()).with("owners", owners.join(","));
                format.done(place, &call, &text)
            }
            Verb::Posting { list, posting } => {
                let text = format!("Who may write to {list}: {}.\n", posting.name());
                let call = Call::new("POST /api/v1/admin/lists/posting").with("list", list);
                format.done(place, &call.with("posting", posting.name()), &text)
            }
            Verb::Joining { list, joining } => {
                let (joining, text) = match joining {
                    Joining::Open => ("open", format!("Anybody may join {list}.\n")),
                    Joining::Closed => ("closed", format!("Nobody joins {list} by mail.\n")),
                };
                let call = Call::new("POST /api/v1/admin/lists/joining").with("list", list);
                format.done(place, &call.with("joining", joining), &text)
            }
            Verb::Approval { list, approval } => {
                let approval = match approval {
                    Approval::Nobody => "nobody",
                    Approval::Others => "others",
                    Approval::All => "all",
                };
                let text = format!("Whose posts to {list} wait for an owner: {approval}.\n");
                format.done(place, &rules(&list).with("approval", approval), &text)
            }
            Verb::Limits { list, posts_per_hour, post_kib_max } => {
                let text = format!("{list} takes as much as you said.\n");
                let said = |number: Option<String>| number.unwrap_or_default();
                let call = rules(&list).with("posts_per_hour", said(posts_per_hour.map(|it| it.to_string())));
                format.done(place, &call.with("post_kib_max", said(post_kib_max.map(|it| it.to_string()))), &text)
            }
            Verb::Waiting { list } => {
                format.list(place, &Call::new("GET /api/v1/lists/posts").with("list", list), waiting)
            }
            Verb::Approve { list, post } => answer(format, place, (&list, post), "approve"),
            Verb::Reject { list, post } => answer(format, place, (&list, post), "reject"),
            Verb::All => format.list(place, &Call::new("GET /api/v1/lists"), listed),
            Verb::Show { list } => format.list(
                place,
                &Call::new("GET /api/v1/lists").with("list", list.as_str()),
                |lists: &[ListLine]| lists.first().map_or_else(|| format!("There is no list {list}.\n"), shown),
            ),
            Verb::Join { list, members } => each(format, place, "join", (&list, &members)),
            Verb::Invite { list, members } => each(format, place, "invite", (&list, &members)),
            Verb::Leave { list, members } => each(format, place, "leave", (&list, &members)),
            Verb::Remove { list } => {
                let text = format!("{list} is no list any more.\n");
                format.done(place, &Call::new("POST /api/v1/admin/lists/remove").with("list", list), &text)
            }
        }
    }
}

fn rules(list: &str) -> Call {
    Call::new("POST /api/v1/lists/rules").with("list", list)
}

fn answer(format: Format, place: &Place, (list, post): (&str, u64), answer: &str) -> Outcome {
    let call = Call::new("POST /api/v1/lists/posts").with("list", list).with("post", post.to_string());
    let text = match answer {
        "approve" => "It goes to all members.\n",
        _ => "It goes to nobody.\n",
    };
    format.done(place, &call.with("answer", answer), text)
}

fn waiting(posts: &[PostLine]) -> String {
    let row = |post: &PostLine| {
        [post.post.to_string(), post.at.clone(), post.author.clone(), or_dash(Some(&post.subject)), post.why.clone()]
    };
    let rows: Vec<_> = posts.iter().map(row).collect();
    table(["POST", "CAME", "FROM", "SUBJECT", "IT WAITS BECAUSE"], &rows, "Nothing waits.")
}

fn each(format: Format, place: &Place, verb: &str, (list, members): (&str, &[String])) -> Outcome {
    for member in members {
        let call = Call::new(&format!("POST /api/v1/lists/{verb}")).with("list", list).with("member", member.as_str());
        let text = match verb {
            "join" => format!("{member} gets what is written to {list}.\n"),
            "invite" => format!("{member} is asked, and is a member of {list} once they say so.\n"),
            _ => format!("{member} gets nothing of {list} any more.\n"),
        };
        format.done(place, &call, &text)?;
    }
    Ok(())
}

fn listed(lists: &[ListLine]) -> String {
    let row = |list: &ListLine| {
        let paused = list.members.iter().filter(|member| member.paused).count();
        let members = if paused > 0 {
            format!("{} ({paused} paused)", list.members.len())
        } else {
            list.members.len().to_string()
        };
        [list.list.clone(), or_dash(Some(&list.title)), list.posting.clone(), members, list.owners.join(", ")]
    };
    let rows: Vec<_> = lists.iter().map(row).collect();
    table(["LIST", "TITLE", "WHO WRITES", "MEMBERS", "OWNERS"], &rows, "There are no lists.")
}

fn shown(list: &ListLine) -> String {
    let row = |member: &console::MemberLine| {
        [
            member.address.clone(),
            match (member.rests, member.paused) {
                (true, _) => "wants nothing for now".to_owned(),
                (false, true) => "its mail came back; it gets nothing".to_owned(),
                (false, false) => String::new(),
            },
        ]
    };
    let rows: Vec<_> = list.members.iter().map(row).collect();
    listed(std::slice::from_ref(list)) + "\n" + &table(["MEMBER", ""], &rows, "It has no members.")
}
