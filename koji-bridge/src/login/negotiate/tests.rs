//! The exchange of tokens with a web server on loopback and a ticket of paper.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use tokio::{net::TcpListener, task::JoinSet};

use super::*;
use crate::transport::{Connections, TlsLibrary};

/// Says `hello`, and is content with `welcome`.
struct Paper;

impl Negotiator for Paper {
    fn step(&mut self, token: Option<&[u8]>) -> Result<Option<Vec<u8>>, String> {
        match token {
            None => Ok(Some(b"hello".to_vec())),
            Some(b"more") => Ok(Some(b"again".to_vec())),
            Some(b"welcome") => Ok(None),
            Some(_) => Err("that is not the hub".to_owned()),
        }
    }
}

type Script = Arc<Mutex<Vec<(u16, &'static str)>>>;

async fn guarded(State(script): State<(Script, Arc<Mutex<Vec<String>>>)>, headers: HeaderMap) -> Response {
    let (script, seen) = script;
    let authorization = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    seen.lock().unwrap().push(authorization.unwrap_or_default());
    let (status, challenge) = script.lock().unwrap().remove(0);
    let status = axum::http::StatusCode::from_u16(status).unwrap();
    if challenge.is_empty() {
        return (status, "body").into_response();
    }
    (status, [("www-authenticate", challenge)], "body").into_response()
}

async fn run(replies: &[(u16, &'static str)]) -> (Result<(), String>, Vec<String>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let script: Script = Arc::new(Mutex::new(replies.to_vec()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/kojihub/ssllogin", listener.local_addr().unwrap()).parse().unwrap();
    let router = Router::new().fallback(guarded).with_state((script, Arc::clone(&seen)));
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, router).await.unwrap() });
    common::service::install_crypto_provider();
    let library = TlsLibrary::Rustls;
    let transport =
        Transport::new(Connections { library, authorities: None, identity: None, secured: false }).unwrap();
    let request = HttpRequest {
        url,
        headers: HeaderMap::new(),
        content_type: "text/xml",
        body: Bytes::from_static(b"<x/>"),
        timeout: Duration::from_secs(20),
    };
    let answer = post(&transport, &request, Paper).await;
    let answer =
        answer.map(|answer| assert_eq!(&answer.body[..], b"body")).map_err(|failure| match failure {
            LoginFailure::Final(error) => error.to_string(),
            LoginFailure::Transport(error) => error.to_string(),
            LoginFailure::Fault(fault) => fault.to_string(),
        });
    let seen = seen.lock().unwrap().clone();
    (answer, seen)
}

#[tokio::test]
async fn we_prove_ourselves_and_the_hub_may() {
    // hello, welcome, more, and what an impostor says.
    let (hello, again) = ("Negotiate aGVsbG8=", "Negotiate YWdhaW4=");
    let (welcome, more, wrong) = ("Negotiate d2VsY29tZQ==", "Negotiate bW9yZQ==", "Negotiate d3Jvbmc=");
    let asked = (401, "Negotiate");
    type Row<'a> = (&'a [(u16, &'static str)], Result<(), &'a str>, &'a [&'a str]);
    let rows: &[Row<'_>] = &[
        (&[asked, (200, welcome)], Ok(()), &["", hello]),
        (&[(401, "negotiate"), (401, more), (200, welcome)], Ok(()), &["", hello, again]),
        // Who sends no token is known by its certificate.
        (&[asked, (200, "")], Ok(()), &["", hello]),
        (&[asked, (200, "Negotiate")], Ok(()), &["", hello]),
        (&[asked, (200, "Basic realm=x")], Ok(()), &["", hello]),
        (&[asked, (200, wrong)], Err("not the hub"), &["", hello]),
        (&[asked, (200, more)], Err("did not finish"), &["", hello]),
        (&[asked, (200, "Negotiate ???")], Err("not base64"), &["", hello]),
        (&[(200, "")], Ok(()), &[""]),
        (&[asked, asked], Err("does not take the ticket"), &["", hello]),
        (&[asked, (401, more), (401, more), (401, more)], Err("more than 4"), &["", hello, again, again]),
        (&[(401, "Basic realm=x")], Err("401"), &[""]),
        (&[asked, (403, "")], Err("403"), &["", hello]),
    ];
    for (replies, outcome, seen) in rows {
        let (answer, authorizations) = run(replies).await;
        match (&answer, outcome) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(words)) => assert!(error.contains(words), "{replies:?}: {error}"),
            _ => panic!("{replies:?}: {answer:?}"),
        }
        assert_eq!(authorizations, *seen, "{replies:?}");
    }
}
