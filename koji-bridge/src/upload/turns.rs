//! One upload of a file at a time. A client whose connection broke comes back
//! before the bridge knows that it was gone: so a later upload ends an earlier
//! one of the same file, and begins when the hub has answered that one's last
//! request. Two requests about one file can never overtake each other.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_util::sync::CancellationToken;

use super::Place;

/// Who is uploading which file.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns(Arc<Mutex<HashMap<Place, Holder>>>);

#[derive(Debug)]
struct Holder {
    /// Cancelled to end its upload.
    end: CancellationToken,
    /// Cancelled when its upload has ended.
    gone: CancellationToken,
}

/// The right to upload a file, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Turns,
    place: Place,
    gone: CancellationToken,
}

impl Turns {
    /// Waits for the turn, and ends whose turn it is. `end` is cancelled when
    /// somebody else wants the turn.
    pub(super) async fn take(&self, place: &Place, end: &CancellationToken) -> Turn {
        loop {
            let earlier = match self.holders().entry(place.clone()) {
                Entry::Occupied(holder) => {
                    holder.get().end.cancel();
                    holder.get().gone.clone()
                }
                Entry::Vacant(free) => {
                    let gone = CancellationToken::new();
                    free.insert(Holder { end: end.clone(), gone: gone.clone() });
                    return Turn { turns: self.clone(), place: place.clone(), gone };
                }
            };
            earlier.cancelled().await;
        }
    }

    fn holders(&self) -> MutexGuard<'_, HashMap<Place, Holder>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.holders().remove(&self.place);
        self.gone.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_later_upload_ends_an_earlier_one_and_waits_for_its_end() {
        let (turns, end) = (Turns::default(), CancellationToken::new());
        let place = Place::new("koji-upload/1", "a").unwrap();
        let other = Place::new("koji-upload/1", "b").unwrap();
        let first = turns.take(&place, &end).await;
        let _other = turns.take(&other, &CancellationToken::new()).await;
        let nobody = CancellationToken::new();
        let mut later = std::pin::pin!(turns.take(&place, &nobody));
        assert!(futures::poll!(&mut later).is_pending());
        assert!(end.is_cancelled());
        drop(first);
        drop(later.await);
        assert_eq!(turns.holders().len(), 1);
    }
}
