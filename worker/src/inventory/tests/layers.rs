//! Layers on each other: what is replaced, removed and linked.

use super::*;

const A: &[u8] = b"P:a\nV:1-r0\n";
const B: &[u8] = b"P:b\nV:1-r0\n";
const DEB: &[u8] = b"Package: d\nStatus: install ok installed\nVersion: 1-1\n";
const APK: &str = "lib/apk/db/installed";

#[test]
fn the_final_file_system_counts() {
    let rows: &[(&str, &[&[Entry<'_>]], &str)] = &[
        ("no layer", &[], ": "),
        ("no database", &[&[Directory("etc"), File("etc/passwd", b"root")]], ": "),
        ("other files of these names", &[&[File("srv/lib/apk/db/installed", A), File("status", DEB)]], ": "),
        ("one", &[&[Directory("lib/"), File(APK, A)]], "lib/apk/db/installed=1: a"),
        ("with a dot in front", &[&[File("./lib/apk/db/installed", A)]], "lib/apk/db/installed=1: a"),
        ("empty", &[&[File(APK, b"")]], "lib/apk/db/installed=0: "),
        ("replaced", &[&[File(APK, A)], &[File(APK, B)]], "lib/apk/db/installed=1: b"),
        ("twice in a layer", &[&[File(APK, A), File(APK, B)]], "lib/apk/db/installed=1: b"),
        ("untouched above", &[&[File(APK, A)], &[File("etc/x", b"x")], &[]], "lib/apk/db/installed=1: a"),
        ("removed", &[&[File(APK, A)], &[Gone("lib/apk/db/.wh.installed")]], ": "),
        ("parent removed", &[&[File(APK, A)], &[Gone(".wh.lib")]], ": "),
        (
            "neighbour removed",
            &[&[File(APK, A)], &[Gone("lib/.wh.ap"), Gone(".wh.li")]],
            "lib/apk/db/installed=1: a",
        ),
        (
            "removed and back",
            &[&[File(APK, A)], &[Gone(".wh.lib")], &[File(APK, B)]],
            "lib/apk/db/installed=1: b",
        ),
        ("opaque", &[&[File(APK, A)], &[Directory("lib/apk"), Gone("lib/apk/.wh..wh..opq")]], ": "),
        (
            "opaque above itself",
            &[&[File(APK, A)], &[Gone("lib/apk/db/installed/.wh..wh..opq")]],
            "lib/apk/db/installed=1: a",
        ),
        (
            "opaque root",
            &[&[File(APK, A)], &[Gone(".wh..wh..opq"), File("var/lib/dpkg/status", DEB)]],
            "var/lib/dpkg/status=1: d",
        ),
        (
            "opaque spares its own layer, before",
            &[&[File(APK, A)], &[File(APK, B), Gone("lib/.wh..wh..opq")]],
            "lib/apk/db/installed=1: b",
        ),
        (
            "opaque spares its own layer, after",
            &[&[File(APK, A)], &[Gone("lib/.wh..wh..opq"), File(APK, B)]],
            "lib/apk/db/installed=1: b",
        ),
        (
            "whiteout spares its own layer",
            &[&[File(APK, A)], &[File(APK, B), Gone(".wh.lib")]],
            "lib/apk/db/installed=1: b",
        ),
        (
            "bookkeeping is no whiteout",
            &[&[File(APK, A)], &[Gone(".wh..wh.plnk"), Gone(".wh..wh.lib"), Gone(".wh.")]],
            "lib/apk/db/installed=1: a",
        ),
        ("directory replaced by a file", &[&[File(APK, A)], &[File("lib", b"x")]], ": "),
        ("file replaced by a directory", &[&[File(APK, A)], &[Directory("lib/apk/db/installed")]], ": "),
        (
            "directory again",
            &[&[File(APK, A)], &[Directory("lib"), Directory("lib/apk/db")]],
            "lib/apk/db/installed=1: a",
        ),
    ];
    for (what, layers, expected) in rows {
        assert_eq!(summary(&inventory(layers).unwrap()), *expected, "{what}");
    }
}

#[test]
fn links_are_followed_inside_the_image() {
    let rows: &[(&str, &[&[Entry<'_>]], &str)] = &[
        (
            "merged usr",
            &[&[Symlink("lib", "usr/lib"), File("usr/lib/apk/db/installed", A)]],
            "usr/lib/apk/db/installed=1: a",
        ),
        (
            "absolute",
            &[&[Symlink("lib", "/usr/lib"), File("usr/lib/apk/db/installed", A)]],
            "usr/lib/apk/db/installed=1: a",
        ),
        (
            "through the link",
            &[&[Symlink("lib", "usr/lib")], &[File(APK, A)]],
            "usr/lib/apk/db/installed=1: a",
        ),
        (
            "removed through the link",
            &[
                &[Symlink("lib", "usr/lib"), File("usr/lib/apk/db/installed", A)],
                &[Gone("lib/apk/db/.wh.installed")],
            ],
            ": ",
        ),
        (
            "unusual place, target first",
            &[&[File("opt/x/db/installed", A)], &[Symlink("lib/apk", "../opt/x")]],
            "opt/x/db/installed=1: a",
        ),
        (
            "unusual place, twice",
            &[&[Symlink("lib/apk", "/data/apk"), File("srv/apk/db/installed", A), Symlink("data", "srv")]],
            "srv/apk/db/installed=1: a",
        ),
        (
            "up through an unusual link",
            &[&[
                File("srv/apk/db/installed", A),
                Symlink("data", "srv/x"),
                Symlink("lib/apk", "/data/../apk"),
            ]],
            "srv/apk/db/installed=1: a",
        ),
        ("the file itself", &[&[File("opt/list", A), Symlink(APK, "/opt/list")]], "opt/list=1: a"),
        (
            "to above the root",
            &[&[File("opt/list", A), Symlink(APK, "../../../../../opt/list")]],
            "opt/list=1: a",
        ),
        ("dangling", &[&[Symlink("lib", "nowhere"), Symlink("usr", "/")]], ": "),
        ("in a circle", &[&[Symlink("lib", "usr"), Symlink("usr", "lib"), File(APK, A)]], ": "),
        (
            "link replaced by a directory",
            &[
                &[Symlink("lib", "usr/lib"), File("usr/lib/apk/db/installed", A)],
                &[Directory("lib"), File(APK, B)],
            ],
            "lib/apk/db/installed=1 usr/lib/apk/db/installed=1: a b",
        ),
        (
            "link target replaced",
            &[&[File("opt/a", A), Symlink(APK, "/opt/a")], &[File("opt/a", B)]],
            "opt/a=1: b",
        ),
        (
            "hard link",
            &[
                &[File(APK, A), Hardlink("usr/lib/apk/db/installed", APK)],
                &[Gone("lib/apk/db/.wh.installed")],
            ],
            "usr/lib/apk/db/installed=1: a",
        ),
        (
            "hard link keeps the old content",
            &[&[File(APK, A), Hardlink("usr/lib/apk/db/installed", APK)], &[File(APK, B)]],
            "lib/apk/db/installed=1 usr/lib/apk/db/installed=1: a b",
        ),
        (
            "hard link to an unusual place",
            &[&[File("opt/list", A), Hardlink(APK, "opt/list")]],
            "lib/apk/db/installed=1: a",
        ),
        (
            "hard link to a hard link",
            &[&[File("opt/a", A), Hardlink("opt/b", "opt/a"), Hardlink(APK, "./opt/b")]],
            "lib/apk/db/installed=1: a",
        ),
        (
            "hard link to a link",
            &[&[
                File("opt/a", A),
                Symlink("usr/lib/apk/db/installed", "/opt/a"),
                Hardlink(APK, "usr/lib/apk/db/installed"),
            ]],
            "opt/a=1: a",
        ),
    ];
    for (what, layers, expected) in rows {
        assert_eq!(summary(&inventory(layers).unwrap()), *expected, "{what}");
    }
}

#[test]
fn every_kind_of_database_is_found() {
    let image: &[&[Entry<'_>]] = &[
        &[
            File(APK, A),
            File("var/lib/dpkg/status", DEB),
            File("var/lib/dpkg/status.d/base", b"Package: base\nVersion: 12\n"),
        ],
        &[
            File("var/lib/dpkg/status.d/base.md5sums", b"0123  etc/x\n"),
            File("var/lib/dpkg/status.d/tzdata", b"Package: tzdata\nVersion: 2024a-1\n"),
            Symlink("var/lib/dpkg/status.d/dangling", "nowhere"),
            Directory("var/lib/dpkg/status.d/directory"),
            File("var/lib/dpkg/status.d/directory/deep", b"Package: deep\nVersion: 1\n"),
            File("var/lib/rpm/rpmdb.sqlite", &fixture("rpmdb.sqlite")),
        ],
    ];
    let inventory = inventory(image).unwrap();
    let expected = "lib/apk/db/installed=1 var/lib/dpkg/status=1 var/lib/dpkg/status.d=2 \
         var/lib/rpm/rpmdb.sqlite=4: alpha beta delta gamma-libs base d tzdata a";
    assert_eq!(summary(&inventory), expected);
}

#[test]
fn what_two_databases_list_is_listed_once() {
    let image: &[&[Entry<'_>]] = &[&[File("var/lib/dpkg/status", DEB), File("var/lib/dpkg/status.d/d", DEB)]];
    let expected = "var/lib/dpkg/status=1 var/lib/dpkg/status.d=1: d";
    assert_eq!(summary(&inventory(image).unwrap()), expected);
}

#[test]
fn the_directory_of_status_files_may_be_a_link() {
    let image: &[&[Entry<'_>]] = &[
        &[
            File("opt/status/one", b"Package: one\nVersion: 1\n"),
            File("opt/two", b"Package: two\nVersion: 1\n"),
        ],
        &[Symlink("var/lib/dpkg/status.d", "/opt/status"), Symlink("opt/status/two", "../two")],
        &[File("var/lib/dpkg/status.d/three", b"Package: three\nVersion: 1\n"), Gone("opt/status/.wh.one")],
    ];
    assert_eq!(summary(&inventory(image).unwrap()), "opt/status=2: three two");
}

#[test]
fn links_to_ever_more_places_are_refused() {
    let names: Vec<(String, String)> =
        (0..20).map(|n| (format!("d{n}/x"), format!("../d{}/x", n + 1))).collect();
    let mut entries = vec![Symlink("lib/apk", "/d0/x")];
    entries.extend(names.iter().map(|(path, target)| Symlink(path, target)));
    let error = inventory(&[&entries]).unwrap_err();
    assert_eq!(error.failure().code, "inventory.too_many_links");
}
