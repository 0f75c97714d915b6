//! Files that appear whole or not at all.

use std::fs::File;
use std::io;
use std::path::Path;

/// Writes `path` under a temporary name in the same folder, then renames it into place.
///
/// # Errors
/// What the operating system or `fill` says; the file that was there before is then untouched.
pub fn write(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // What went wrong concerns the folder: the temporary name would tell nobody anything.
    let temporary = tempfile::Builder::new().prefix(".neuropil-").tempfile_in(folder);
    let mut temporary = temporary.map_err(|e| io::Error::from(e.kind()))?;
    fill(temporary.as_file_mut())?;
    temporary.as_file().sync_all()?;
    open_to_others(temporary.as_file())?;
    temporary.persist(path).map_err(|e| e.error)?;
    Ok(())
}

/// Temporary files are private; an output file has the usual permissions.
#[cfg(unix)]
fn open_to_others(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn open_to_others(_file: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        super::write(&path, |f| f.write_all(b"old")).unwrap();
        let failed = super::write(&path, |f| {
            f.write_all(b"half")?;
            Err(std::io::Error::other("disk is full"))
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
