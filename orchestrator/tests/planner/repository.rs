//! Cases of the files in a repository, through a whole dry run.

use crate::world::{Case, DOCKERFILE, problems, repository};

#[tokio::test]
async fn the_dockerfile_goes_into_the_image_under_its_name() {
    // DFA-2: old spellings count.
    let dockerfile = "FROM scratch\nLABEL Name=jboss-eap-6-docker Version=6.4 Release=77 \
                      BZComponent=jboss-eap-6-docker\nCOPY Dockerfile /\n";
    let repository = repository(&[("Dockerfile", dockerfile)]);
    let draft = Case::of(&repository, "{}").draft().await;
    assert_eq!(problems(&draft), [""; 0]);
    let made = draft.platforms[0].dockerfile.as_deref().unwrap();
    assert!(made.contains("/root/buildinfo/Dockerfile-jboss-eap-6-docker-6.4-77"), "{made}");
    // DFA-4: before the instruction, not inside it.
    assert_eq!(draft.nvr.unwrap().to_string(), "jboss-eap-6-docker-6.4-77");
}

#[tokio::test]
async fn without_a_help_file_there_is_no_manual_page() {
    // HLP-2, and HLP-1 beside it.
    for (case, files, has_page) in
        [("HLP-2", &[][..], false), ("HLP-1", &[("help.md", "# hello\n\nIt says hello.\n")][..], true)]
    {
        let files: Vec<(&str, &str)> = [("Dockerfile", DOCKERFILE)].iter().chain(files).copied().collect();
        let repository = repository(&files);
        let told = Case::of(&repository, "{}").tell().await;
        let made = told.draft.platforms[0].dockerfile.as_deref().unwrap();
        assert_eq!(made.contains("help.1"), has_page, "{case}: {made}");
        assert_eq!(told.explanation.find("repository.help").is_some(), has_page, "{case}");
    }
}

#[tokio::test]
async fn a_release_in_the_dockerfile_is_the_release() {
    // PLAN-9: a release of the request wins over it. UP-8: nothing here triggers
    // builds, so a label `release` is no contradiction; what a rebuild gets is told.
    for (case, asked, rebuild, expected) in [
        ("the label", None, false, "3"),
        ("PLAN-9", Some("1.2.1"), false, "1.2.1"),
        ("UP-8", None, true, "3"),
    ] {
        let repository = repository(&[("Dockerfile", DOCKERFILE)]);
        let case_of = Case::of(&repository, "{}").with(|request| {
            request.release = asked.map(str::to_owned);
            request.rebuild = rebuild;
        });
        let draft = case_of.draft().await;
        assert_eq!(draft.release.unwrap().value, expected, "{case}");
        assert_eq!(draft.platforms[0].labels["release"].value, expected, "{case}");
    }
}
