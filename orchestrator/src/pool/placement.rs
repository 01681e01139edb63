//! Which worker gets a work order. Pure.

use common::{names::WorkerId, platform::Platform};

use super::member::Member;

/// The worker with the most free places for a platform, the first by name among
/// equals; otherwise why there is none.
pub(super) fn choose<'a>(
    members: impl Iterator<Item = &'a Member>,
    platform: &Platform,
) -> Result<WorkerId, String> {
    let suitable: Vec<&Member> = members.filter(|member| member.platforms.contains(platform)).collect();
    let best = suitable.iter().filter(|member| member.free() > 0).max_by(|a, b| {
        // The iterator is ordered by id and `max_by` prefers the later of two
        // equals, hence the reversed tie-break.
        a.free().cmp(&b.free()).then_with(|| b.id.cmp(&a.id))
    });
    match (best, suitable.len()) {
        (Some(member), _) => Ok(member.id.clone()),
        (None, 0) => Err(format!("no worker for {platform} is attached")),
        (None, 1) => Err(format!("the one worker for {platform} is busy")),
        (None, count) => Err(format!("all {count} workers for {platform} are busy")),
    }
}
