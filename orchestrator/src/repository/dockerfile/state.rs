//! What the stages of a Dockerfile leave behind: labels, environment, user.
//!
//! A stage begins with what the stage under it has left, except for ARGs, which
//! end with their stage (Dockerfile reference, "Scope").

use std::{collections::BTreeMap, ops::Range};

use super::{
    Arguments, Dockerfile, DockerfileError, Flaw,
    expand::Missing,
    model::{Instruction, Kind},
    parents::{Base, Stages},
    words,
};

/// The state at some place of a stage.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) args: BTreeMap<String, String>,
    pub(super) user: Option<User>,
}

/// The last USER instruction.
#[derive(Debug, Clone)]
pub(super) struct User {
    /// What follows the keyword.
    pub(super) written: String,
    /// The same with variables expanded where it stands.
    pub(super) value: String,
    /// The whole instruction.
    pub(super) span: Range<usize>,
}

impl State {
    pub(super) fn lookup(&self, name: &str) -> Option<String> {
        self.env.get(name).or_else(|| self.args.get(name)).cloned()
    }
}

impl Dockerfile {
    /// The state at the end of the final stage.
    pub(super) fn final_state(&self, arguments: &Arguments) -> Result<State, DockerfileError> {
        let resolved = self.resolve_stages(arguments, Missing::Empty)?;
        let mut done: Vec<State> = Vec::new();
        let bodies = self.instructions.split(|i| matches!(i.kind, Kind::From { .. })).skip(1);
        for (body, (_, base)) in bodies.zip(&resolved.stages) {
            let mut state = match base {
                Base::Stage(earlier) => done.get(*earlier).cloned().unwrap_or_default(),
                Base::Outside(_) => State { env: arguments.parent_env.clone(), ..State::default() },
                Base::Scratch => State::default(),
            };
            state.args.clear();
            for instruction in body {
                self.apply(instruction, arguments, &resolved, &mut state)?;
            }
            done.push(state);
        }
        Ok(done.pop().unwrap_or_default())
    }

    fn apply(
        &self,
        instruction: &Instruction,
        arguments: &Arguments,
        resolved: &Stages,
        state: &mut State,
    ) -> Result<(), DockerfileError> {
        let line = instruction.line;
        let expanded =
            |word: &str, state: &State| self.expanded(word, line, Missing::Empty, &|name| state.lookup(name));
        match &instruction.kind {
            Kind::Arg(text) => {
                for (name, default) in words::arguments(text, self.escape) {
                    let value = match (arguments.build_args.get(&name), default) {
                        (Some(given), _) => Some(given.clone()),
                        (None, Some(default)) => Some(expanded(&default, state)?),
                        (None, None) => resolved.globals.get(&name).cloned(),
                    };
                    if let Some(value) = value {
                        state.args.insert(name, value);
                    }
                }
            }
            Kind::Env(text) | Kind::Label(text) => {
                let pairs = words::pairs(text, self.escape)
                    .map_err(|reason| DockerfileError::flawed(Flaw::Words, line, reason))?;
                // All values see the environment from before the instruction.
                let pairs: Vec<(String, String)> = pairs
                    .iter()
                    .map(|(name, value)| Ok((expanded(name, state)?, expanded(value, state)?)))
                    .collect::<Result<_, DockerfileError>>()?;
                let is_env = matches!(instruction.kind, Kind::Env(_));
                if is_env { &mut state.env } else { &mut state.labels }.extend(pairs);
            }
            Kind::User(written) => {
                let (written, span) = (written.trim().to_owned(), instruction.span.clone());
                let value = expanded(&written, state)?;
                state.user = Some(User { written, value, span });
            }
            _ => {}
        }
        Ok(())
    }
}
