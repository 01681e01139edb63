//! Neither keys nor passwords are in errors or logs, whatever goes wrong.

use std::{
    io,
    sync::{Arc, Mutex},
};

use koji_bridge::{
    session::Session,
    xmlrpc::{Arguments, Value},
};
use tracing_subscriber::fmt::MakeWriter;

use crate::script::{
    Generation::{Current, Old},
    Hub, KEY, PASSWORD,
    Reply::{self, Cut, Echo, Fault, Garbage, Is, Status},
};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

async fn everything(replies: &[Reply], told: &mut String) {
    for generation in [Current, Old] {
        let hub = Hub::new(generation, &[], replies).start().await;
        let settings = hub.settings();
        told.push_str(&format!("{settings:?}"));
        let session = Session::new(Arc::new(settings)).unwrap();
        for _ in 0..2 {
            let read = session.read::<i64>("getThing", Arguments::none()).await;
            let write = session.write::<i64>("doThing", Arguments::none()).await;
            told.push_str(&format!("{read:?} {write:?}"));
            for error in [read.err(), write.err()].into_iter().flatten() {
                told.push_str(&format!(" {error} {:?}", std::error::Error::source(&error)));
            }
        }
        told.push_str(&format!("{session:?} {:?}", *session.state().borrow()));
        session.logout().await;
    }
}

#[tokio::test]
async fn no_secret_is_told() {
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_writer(log.clone()).with_max_level(tracing::Level::TRACE).finish();
    // For all tests of this program, so that what they log is looked at, too.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let mut told = String::new();
    let token = "0123456789abcdef".repeat(4);
    let debugged = format!(
        "Traceback (most recent call last):\n  File \"x\", line 1, in f\n    f('{KEY}', '{PASSWORD}')\n\
         koji.GenericError: session {KEY}, token {token}, other 12-abcdefghijKLMNO1234\nLocals by frame, innermost \
         last\nFrame f in x at line 1\n  environ = {{'x': 'local-variable'}}\n"
    );
    let debugged: &'static str = Box::leak(debugged.into_boxed_str());
    let scripts: &[&[Reply]] = &[
        &[],
        &[Echo(500), Echo(502), Echo(400), Echo(404), Echo(302)],
        &[Cut, Cut, Cut, Cut, Cut, Garbage, Garbage, Cut, Garbage],
        &[
            Fault(1007, "session \"1\" has expired"),
            Is(Value::Int(1)),
            Fault(1002, "Invalid session or bad credentials"),
        ],
        &[Fault(1008, "500 > 499 (session 1)"), Fault(1009, "unable to retry"), Fault(1006, "locked")],
        &[Status(503, "no"), Fault(1014, "offline"), Is(Value::Nil)],
        &[Fault(1014, debugged), Fault(1000, debugged), Fault(1, debugged), Fault(1002, debugged)],
    ];
    for script in scripts {
        everything(script, &mut told).await;
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("trying again") && log.contains("logged in"), "the log has nothing to look at");
    for text in [&told, &log] {
        let by_form = [&*token, "12-abcdefghijKLMNO1234", "local-variable"];
        for secret in [KEY, PASSWORD, "session-key=", "session-id="].into_iter().chain(by_form) {
            let found = text.find(secret).map(|at| &text[at.saturating_sub(200)..at]);
            assert_eq!(found, None, "{secret}");
        }
    }
}
