//! Arguments are brought to the names of parameters, with Python's complaints.

use std::collections::BTreeMap;

use koji_bridge::xmlrpc::{Arguments, Fault, Value};

use crate::hub::context::fault;

/// A method's name in complaints and its parameters.
#[derive(Debug)]
pub(crate) struct Signature<'a> {
    function: &'a str,
    parameters: Vec<(&'a str, bool)>,
    more_positional: bool,
    more_named: bool,
}

impl<'a> Signature<'a> {
    /// Reads a declaration like `get_tag(tagInfo, strict=False)`.
    pub(crate) fn parse(declaration: &'a str) -> Self {
        let (function, rest) = declaration.split_once('(').unwrap_or((declaration, ""));
        let mut signature =
            Self { function, parameters: Vec::new(), more_positional: false, more_named: false };
        let inner = rest.strip_suffix(')').unwrap_or(rest);
        for parameter in inner.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            if parameter.starts_with("**") {
                signature.more_named = true;
            } else if parameter.starts_with('*') {
                signature.more_positional = true;
            } else {
                match parameter.split_once('=') {
                    Some((name, _)) => signature.parameters.push((name, false)),
                    None => signature.parameters.push((parameter, true)),
                }
            }
        }
        signature
    }

    /// The names of the parameters, and whether each is required.
    pub(crate) fn parameters(&self) -> &[(&'a str, bool)] {
        &self.parameters
    }

    /// The arguments by parameter name. Positional ones are left only for `*args`.
    ///
    /// # Errors
    /// There are too many or too few, or unknown or double ones: fault 1019.
    pub(crate) fn bind(&self, arguments: &Arguments) -> Result<Arguments, Fault> {
        let given = arguments.positional.len();
        if given > self.parameters.len() && !self.more_positional {
            return Err(self.too_many(given));
        }
        let mut named: BTreeMap<String, Value> = self
            .parameters
            .iter()
            .zip(&arguments.positional)
            .map(|((name, _), value)| ((*name).to_owned(), value.clone()))
            .collect();
        for (name, value) in &arguments.named {
            if !self.more_named && !self.parameters.iter().any(|(known, _)| known == name) {
                return Err(self.complaint(&format!("got an unexpected keyword argument '{name}'")));
            }
            if named.insert(name.clone(), value.clone()).is_some() {
                return Err(self.complaint(&format!("got multiple values for argument '{name}'")));
            }
        }
        let missing: Vec<&str> = self
            .parameters
            .iter()
            .filter(|(name, required)| *required && !named.contains_key(*name))
            .map(|(name, _)| *name)
            .collect();
        if !missing.is_empty() {
            return Err(self.too_few(&missing));
        }
        let positional = arguments.positional.iter().skip(self.parameters.len()).cloned().collect();
        Ok(Arguments { positional, named })
    }

    fn too_many(&self, given: usize) -> Fault {
        let most = self.parameters.len();
        let least = self.parameters.iter().filter(|(_, required)| *required).count();
        let range = if least == most { most.to_string() } else { format!("from {least} to {most}") };
        let plural = if most == 1 { "" } else { "s" };
        let were = if given == 1 { "was" } else { "were" };
        self.complaint(&format!("takes {range} positional argument{plural} but {given} {were} given"))
    }

    fn too_few(&self, missing: &[&str]) -> Fault {
        let quoted: Vec<String> = missing.iter().map(|name| format!("'{name}'")).collect();
        let list = match quoted.as_slice() {
            [one] => one.clone(),
            [one, two] => format!("{one} and {two}"),
            [most @ .., last] => format!("{}, and {last}", most.join(", ")),
            [] => String::new(),
        };
        let plural = if missing.len() == 1 { "" } else { "s" };
        self.complaint(&format!("missing {} required positional argument{plural}: {list}", missing.len()))
    }

    fn complaint(&self, text: &str) -> Fault {
        fault::parameter(format!("{}() {text}", self.function))
    }
}

#[cfg(test)]
mod tests {
    use koji_bridge::xmlrpc::{Arguments, Value};

    use super::Signature;

    #[test]
    fn arguments_come_to_their_names() {
        let signature = Signature::parse("get_build_target(info, event=None, strict=False)");
        let bound =
            signature.bind(&Arguments::none().with("f28").named("strict", true)).expect("arguments that fit");
        assert!(bound.positional.is_empty());
        assert_eq!(bound.named["info"], Value::from("f28"));
        assert_eq!(bound.named["strict"], Value::Bool(true));
        assert!(!bound.named.contains_key("event"));
    }

    #[test]
    fn arguments_that_do_not_fit_are_complained_about_as_in_python() {
        let rows = [
            ("f(a)", Arguments::none(), "f() missing 1 required positional argument: 'a'"),
            ("f(a, b)", Arguments::none(), "f() missing 2 required positional arguments: 'a' and 'b'"),
            (
                "f(a, b, c)",
                Arguments::none(),
                "f() missing 3 required positional arguments: 'a', 'b', and 'c'",
            ),
            ("f()", Arguments::none().with("x"), "f() takes 0 positional arguments but 1 was given"),
            (
                "f(a, b=1)",
                Arguments::none().with("x").with("y").with("z"),
                "f() takes from 1 to 2 positional arguments but 3 were given",
            ),
            ("f(a)", Arguments::none().with("x").named("a", "y"), "f() got multiple values for argument 'a'"),
            (
                "f(a)",
                Arguments::none().with("x").named("b", "y"),
                "f() got an unexpected keyword argument 'b'",
            ),
        ];
        for (declaration, arguments, text) in rows {
            let fault = Signature::parse(declaration).bind(&arguments).expect_err(text);
            assert_eq!((fault.code, fault.text.as_str()), (1019, text));
        }
    }

    #[test]
    fn further_arguments_are_taken_where_they_are_declared() {
        let signature = Signature::parse("echo(*args, **opts)");
        let bound =
            signature.bind(&Arguments::none().with("x").named("anything", true)).expect("everything fits");
        assert_eq!(bound.positional, [Value::from("x")]);
        assert_eq!(bound.named["anything"], Value::Bool(true));
    }
}
