//! Files that only the server's user may read: keys, certificates, markers, passwords.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::setup::SetupError;

/// Writes `bytes` to `path` with mode 0600, so that after a crash there is the old content or the new, never a part.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (fresh, file) = write_beside(path, bytes)?;
    file.sync_all()?;
    fs::rename(fresh, path)?;
    sync_directory(path)
}

/// The same for what a crash of the machine may take along: the disk is not waited for.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (fresh, _) = write_beside(path, bytes)?;
    fs::rename(fresh, path)
}

fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<(PathBuf, File)> {
    let fresh = path.with_added_extension("new");
    // A left-over of a crash may have another mode or be somebody's link: begin with a file of our own.
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    Ok((fresh, file))
}

/// The first line of a file that somebody else wrote. `holds` says what is in it, and which option names it.
pub(crate) fn first_line(file: &Path, (what, option): (&str, &str)) -> Result<String, SetupError> {
    let text = fs::read_to_string(file)
        .map_err(|error| SetupError::file(&format!("read {what} from"), file, &error, &format!("correct {option}")))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        Some(_) | None => {
            Err(SetupError::new(format!("{}: its first line is empty; write {what} there ({option})", file.display())))
        }
    }
}

/// Makes the rename of `path` durable.
fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_counts_is_the_first_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("password");
        for (text, expected) in [("secret\n", Some("secret")), ("a b\r\nc", Some("a b")), ("", None), ("\nx", None)] {
            fs::write(&file, text).unwrap();
            assert_eq!(first_line(&file, ("a password", "an.option")).ok().as_deref(), expected, "{text:?}");
        }
        let missing = first_line(&dir.path().join("none"), ("a password", "an.option")).unwrap_err().to_string();
        assert!(missing.contains("cannot read a password from") && missing.contains("correct an.option"), "{missing}");
    }

    #[test]
    fn replaces_the_file_and_keeps_others_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key");
        fs::write(path.with_added_extension("new"), "left over").unwrap();
        for (text, write) in [("one", write as fn(&Path, &[u8]) -> io::Result<()>), ("two", write), ("three", replace)]
        {
            write(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
