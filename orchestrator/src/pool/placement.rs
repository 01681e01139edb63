//! Which worker gets a work order. Pure.

use common::{names::WorkerId, platform::Platform};

use tokio::time::Instant;

use super::member::Member;

/// The worker with the most free places for a platform, the first by name among
/// equals; otherwise why there is none.
pub(super) fn choose<'a>(
    members: impl Iterator<Item = &'a Member>,
    platform: &Platform,
    now: Instant,
) -> Result<WorkerId, String> {
    let attached: Vec<&Member> = members.filter(|member| member.platforms.contains(platform)).collect();
    let staying: Vec<&&Member> = attached.iter().filter(|member| !member.leaving).collect();
    let best = staying.iter().filter(|member| member.free(now) > 0).max_by(|a, b| {
        // The iterator is ordered by id and `max_by` prefers the later of two
        // equals, hence the reversed tie-break.
        a.free(now).cmp(&b.free(now)).then_with(|| b.id.cmp(&a.id))
    });
    match (best, staying.len(), attached.len()) {
        (Some(member), ..) => Ok(member.id.clone()),
        (None, 0, 0) => Err(format!("no worker for {platform} is attached")),
        (None, 0, _) => Err(format!("no worker for {platform} is attached that stays")),
        (None, 1, _) => Err(format!("the one worker for {platform} is busy")),
        (None, count, _) => Err(format!("all {count} workers for {platform} are busy")),
    }
}
