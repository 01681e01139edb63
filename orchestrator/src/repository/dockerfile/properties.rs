//! Properties that hold for every Dockerfile, tried on random ones.

use std::{collections::BTreeMap, fmt::Write as _};

use proptest::{collection::vec, prelude::*, sample::select};

use super::{Arguments, Dockerfile};

const PIN: &str = "r.example.org/x@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// An instruction, with `{}` where an image from outside stands.
fn instruction() -> impl Strategy<Value = &'static str> {
    select(vec![
        "RUN echo a \\\n  # comment\n\n  b",
        "RUN cat <<EOF > /x\nFROM {not}\nEOF",
        "RUN <<-'E O F'\n\tCOPY --from=x\n\tE O F",
        "COPY --from={} /a /b",
        "COPY <<A <<B /dir/\na\nA\nFROM b\nB",
        "RUN --mount=type=bind,from={},target=/x --mount=type=cache,target=/c ls",
        "RUN [\"a\", \"b <<EOF\"]",
        "COPY [\"a\", \"b\"]",
        "ADD --chown=1:1 a b /c/",
        "LABEL a=\"b c\" \\\n d='e'",
        "ENV a=ä",
        "ONBUILD COPY --from=c /a /b",
        "FROM {} AS next",
        "from \\\n  {}",
        "HEALTHCHECK --interval=5s CMD true",
        "# comment",
        "   ",
        "",
        "\tWORKDIR /x",
    ])
}

prop_compose! {
    fn dockerfile()(
        mark in select(vec!["", "\u{feff}"]),
        instructions in vec(instruction(), 0..12),
        windows in any::<bool>(),
        newline_at_end in any::<bool>(),
    ) -> String {
        let mut text = format!("{mark}ARG V=1\nFROM {{}}\n");
        let mut images = 0;
        for (index, instruction) in instructions.iter().enumerate() {
            let _ = writeln!(text, "{}", instruction.replace("next", &format!("stage{index}")));
        }
        if !newline_at_end {
            text.truncate(text.trim_end_matches('\n').len());
        }
        while text.contains("{}") {
            text = text.replacen("{}", &format!("image{images}:1"), 1);
            images += 1;
        }
        if windows { text.replace('\n', "\r\n") } else { text }
    }
}

proptest! {
    #[test]
    fn random_dockerfiles_come_back_as_they_were(text in dockerfile()) {
        let dockerfile = Dockerfile::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(dockerfile.as_bytes(), text.as_bytes());
        prop_assert_eq!(dockerfile.pin(&BTreeMap::new()).unwrap(), text.as_bytes());
    }

    #[test]
    fn a_pin_changes_the_images_and_nothing_else(text in dockerfile()) {
        let dockerfile = Dockerfile::parse(text.as_bytes()).unwrap();
        let parents = dockerfile.parents(&Arguments::default()).unwrap();
        let pins = parents.iter().map(|parent| (parent.key(), PIN.to_owned())).collect();
        let pinned = String::from_utf8(dockerfile.pin(&pins).unwrap()).unwrap();

        let mut expected = text.clone();
        let mut count = 0;
        while expected.contains(&format!("image{count}:1")) {
            expected = expected.replace(&format!("image{count}:1"), PIN);
            count += 1;
        }
        prop_assert_eq!(parents.len(), count);
        prop_assert_eq!(&pinned, &expected);
        // What is pinned has the same instructions, all parents by digest.
        let again = Dockerfile::parse(pinned.as_bytes()).unwrap();
        prop_assert!(again.parents(&Arguments::default()).unwrap().iter().all(|p| p.expanded.digest.is_some()));
    }

    #[test]
    fn new_instructions_leave_every_other_byte_alone(text in dockerfile()) {
        let dockerfile = Dockerfile::parse(text.as_bytes()).unwrap();
        for stage in 0..dockerfile.stages() {
            let mut edits = dockerfile.edit();
            edits.insert_after_from(stage, "ENV mark1=a").unwrap();
            edits.insert_after_maintainer(stage, 0, "ENV mark2=a").unwrap();
            edits.insert_before_last(stage, "ENV mark3=a").unwrap();
            edits.append(stage, "ENV mark4=a").unwrap();
            let edited = edits.finish().unwrap();
            let edited = std::str::from_utf8(edited.as_bytes()).unwrap();
            let left: String = edited.split_inclusive('\n').filter(|line| !line.contains("mark")).collect();
            prop_assert!(left == text || left.trim_end_matches(['\r', '\n']) == text);
        }
    }

    #[test]
    fn no_text_makes_it_panic(
        parts in vec(prop_oneof![
            select(vec!["FROM ", "a", "\n", "\r\n", "\\", "\\\n", "`", "\"", "'", "<<E", "E", " ", "\t", "#", "$",
                "${", "}", ":-", "COPY ", "--from=", "RUN ", "--mount=", "from=", ",", "[", "]", "ARG ", "LABEL ",
                "ENV ", "=", "ONBUILD ", "SHELL ", "HEALTHCHECK ", "CMD ", "# escape=`\n", "ä", "\0", "--", "AS "])
                .prop_map(str::to_owned),
            any::<char>().prop_map(String::from),
        ], 0..40),
        from in any::<bool>(),
    ) {
        let text = format!("{}{}", if from { "FROM a\n" } else { "" }, parts.concat());
        if let Ok(dockerfile) = Dockerfile::parse(text.as_bytes()) {
            prop_assert_eq!(dockerfile.as_bytes(), text.as_bytes());
            let _ = dockerfile.labels(&Arguments::default());
            let _ = dockerfile.final_user(&Arguments::default(), Some("x"));
            let _ = dockerfile.stages_that_run(&Arguments::default());
            let mut edits = dockerfile.edit();
            if edits.append(dockerfile.stages() - 1, "LABEL a=b").is_ok() {
                let _ = edits.finish();
            }
            if let Ok(parents) = dockerfile.parents(&Arguments::default()) {
                let pins = parents.iter().map(|parent| (parent.key(), PIN.to_owned())).collect();
                prop_assert!(dockerfile.pin(&pins).is_ok());
            }
        }
    }
}
