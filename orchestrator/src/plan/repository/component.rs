//! Under which name an image is built.

use std::collections::BTreeMap;

use common::{
    ParseError,
    failure::{Failure, FailureClass},
    names::Component,
    request::BuildRequest,
};

/// The name from the request, else from the labels, else from the address.
pub(super) fn component(
    request: &BuildRequest,
    labels: &BTreeMap<String, String>,
) -> Result<Component, Failure> {
    if let Some(component) = &request.component {
        return Ok(component.clone());
    }
    let labelled = ["com.redhat.component", "BZComponent"].iter().find_map(|name| labels.get(*name));
    let text = labelled
        .filter(|text| !text.is_empty())
        .map_or_else(|| last_part(&request.source.uri), String::as_str);
    text.parse().map_err(|error: ParseError| {
        Failure::from_error(FailureClass::Source, "plan.invalid_component", &error)
            .with_advice("set the label com.redhat.component, or name the component in the request")
    })
}

fn last_part(uri: &str) -> &str {
    let path = uri.trim_end_matches('/');
    let path = path.strip_suffix("/.git").unwrap_or(path);
    let name = path.rsplit(['/', ':']).next().unwrap_or(path);
    name.strip_suffix(".git").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_component_comes_from_request_label_or_address() {
        let request = |component: Option<&str>| BuildRequest {
            component: component.map(|text| text.parse().unwrap()),
            ..BuildRequest::new("https://git.example.org/containers/hello.git/", None)
        };
        let labels = BTreeMap::from([("com.redhat.component".to_owned(), "labelled".to_owned())]);
        assert_eq!(component(&request(Some("asked")), &labels).unwrap().as_str(), "asked");
        assert_eq!(component(&request(None), &labels).unwrap().as_str(), "labelled");
        assert_eq!(component(&request(None), &BTreeMap::new()).unwrap().as_str(), "hello");
    }

    #[test]
    fn addresses_of_every_form_have_a_last_part() {
        for (uri, name) in [
            ("https://h/a/hello.git", "hello"),
            ("git@h:team/hello", "hello"),
            ("h:hello.git", "hello"),
            ("/srv/hello/.git", "hello"),
            ("file:///srv/hello/", "hello"),
            // UP-15
            ("http://git.example.com/git/repo.git/", "repo"),
            ("http://git.example.com/git/repo/.git", "repo"),
            ("git://hostname/path", "path"),
        ] {
            assert_eq!(last_part(uri), name, "{uri}");
        }
    }
}
