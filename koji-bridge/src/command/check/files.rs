//! Files with secrets and certificates: whether they can be read, by whom else,
//! and how long a certificate holds.

use std::{
    fs::{self, File},
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use common::failure::FailureClass;
use openssl::{
    asn1::Asn1Time,
    nid::Nid,
    x509::{X509, X509NameRef},
};

use super::{
    super::output::visible,
    report::{Name, Report},
};
use crate::settings::{KojiSettings, LoginSettings};

/// Largest certificate file that is read, in bytes.
const LARGEST: u64 = 1 << 20;
/// Days that a certificate should hold.
const SOON: i32 = 30;
/// Who else may read a file: everybody.
const BY_EVERYBODY: u32 = 0o004;

/// Looks at the files that the settings name.
pub(super) fn check(settings: &KojiSettings, report: &mut Report) {
    let login = settings.login.clone().unwrap_or_default();
    let certificate = certificate_file(&login);
    let secrets = [
        ("login.password_file", login.password_file.clone()),
        ("login.keytab_file", login.keytab_file.clone()),
        ("login.certificate_file", certificate.clone()),
    ];
    let mut looked_at = 0;
    for (key, path) in secrets.into_iter().filter_map(|(key, path)| Some((key, path?))) {
        looked_at += 1;
        secret(key, &path, report);
    }
    if let Some(path) = &settings.ca_file {
        looked_at += 1;
        match File::open(path) {
            Ok(_) => report.ok(Name::Files, format!("ca_file: {} can be read", path.display())),
            Err(error) => unreadable("ca_file", path, &error, report),
        }
    }
    if looked_at == 0 {
        report.skipped(Name::Files, "the settings name none");
    }
    match certificate {
        None => report.skipped(Name::Certificate, "nobody logs in by certificate"),
        Some(path) => own_certificate(&path, report),
    }
}

fn certificate_file(login: &LoginSettings) -> Option<PathBuf> {
    let in_directory = || login.certificate_directory.as_ref().map(|directory| directory.join("cert"));
    login.certificate_file.clone().or_else(in_directory)
}

fn secret(key: &str, path: &Path, report: &mut Report) {
    let about = File::open(path).and_then(|_| fs::metadata(path));
    match about {
        Err(error) => unreadable(key, path, &error, report),
        Ok(about) if about.permissions().mode() & BY_EVERYBODY != 0 => report.warning(
            Name::Files,
            "koji.secret_file_open",
            format!("{key}: everybody can read {}", path.display()),
            "take the right from others: chmod o-r, or defaultMode 0440 where it is mounted",
        ),
        Ok(_) => report.ok(Name::Files, format!("{key}: {} can be read", path.display())),
    }
}

fn unreadable(key: &str, path: &Path, error: &std::io::Error, report: &mut Report) {
    report.refused(
        Name::Files,
        FailureClass::User,
        "koji.secret_file",
        format!("{key}: cannot read {}: {error}", path.display()),
        "see that the file is there and that the bridge's user may read it",
    );
}

fn own_certificate(path: &Path, report: &mut Report) {
    let mut failed = |reason: &str, advice: &str| {
        let found = format!("{}: {reason}", path.display());
        report.refused(
            Name::Certificate,
            FailureClass::Infrastructure,
            "koji.certificate_file",
            found,
            advice,
        );
    };
    let mut pem = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut pem));
    if let Err(error) = read {
        return failed(&error.to_string(), "name the file that holds the certificate and its key");
    }
    let certificates = X509::stack_from_pem(&pem).unwrap_or_default();
    let Some(own) = certificates.first() else {
        return failed(
            "there is no certificate in PEM form",
            "put the certificate and its unencrypted key there in PEM form",
        );
    };
    let days =
        |time| Asn1Time::days_from_now(0).and_then(|now| now.diff(time)).map(|left| (left.days, left.secs));
    let is_past = |(days, secs): (i32, i32)| days < 0 || secs < 0;
    let is_ahead = |(days, secs): (i32, i32)| days > 0 || secs > 0;
    let (Ok(begins), Ok(ends)) = (days(own.not_before()), days(own.not_after())) else {
        return failed("its dates cannot be read", "have it signed again");
    };
    let renew = "have it signed again by the authority that the hub's web server trusts";
    if is_past(ends) {
        return failed(&format!("it expired on {}", own.not_after()), renew);
    }
    if is_ahead(begins) {
        return failed(&format!("it holds from {} on only", own.not_before()), "see that the clock is right");
    }
    let Some(name) = common_name(own.subject_name()) else {
        return failed("its subject has no common name, by which the hub knows its user", renew);
    };
    let found = format!("CN={}, holds until {}", visible(&name), own.not_after());
    if ends.0 < SOON {
        report.warning(Name::Certificate, "koji.certificate_expires", found, renew);
    } else {
        report.ok(Name::Certificate, found);
    }
}

/// The common name of a subject or an issuer.
pub(super) fn common_name(name: &X509NameRef) -> Option<String> {
    let entry = name.entries_by_nid(Nid::COMMONNAME).next()?;
    entry.data().to_string().ok()
}
