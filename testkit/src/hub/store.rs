//! The state on disk: what was answered is still there when the process is killed.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::state::State;

/// Name of the file with the state.
const STATE: &str = "state.json";

/// A directory with the state, for one process alone.
#[derive(Debug)]
pub(super) struct Store {
    directory: PathBuf,
    /// Held for as long as the hub runs.
    _lock: File,
}

impl Store {
    /// Opens the store of a directory.
    ///
    /// # Errors
    /// Another hub has it, or the state cannot be read.
    pub(super) fn open(directory: &Path) -> io::Result<(Self, State)> {
        fs::create_dir_all(directory)?;
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).open(directory.join("lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                let text = format!("another hub runs on {}", directory.display());
                io::Error::new(io::ErrorKind::ResourceBusy, text)
            }
            TryLockError::Error(error) => error,
        })?;
        let state = match fs::read(directory.join(STATE)) {
            Ok(text) => serde_json::from_slice(&text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => State::default(),
            Err(error) => return Err(error),
        };
        Ok((Self { directory: directory.to_owned(), _lock: lock }, state))
    }

    /// Stores the state. When this returns, it is on the disk.
    pub(super) fn save(&self, state: &State) -> io::Result<()> {
        let temporary = self.directory.join("state.json.new");
        let mut file = File::create(&temporary)?;
        file.write_all(&serde_json::to_vec(state)?)?;
        file.sync_all()?;
        fs::rename(&temporary, self.directory.join(STATE))?;
        File::open(&self.directory)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_there_again_and_one_hub_has_a_directory() {
        let directory = tempfile::tempdir().unwrap();
        let (store, mut state) = Store::open(directory.path()).unwrap();
        state.last_event = 7;
        store.save(&state).unwrap();
        let error = Store::open(directory.path()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
        drop(store);
        let (_store, state) = Store::open(directory.path()).unwrap();
        assert_eq!(state.last_event, 7);
    }
}
