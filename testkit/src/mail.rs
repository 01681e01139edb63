//! A mail server in memory: as much of SMTP (RFC 5321) as a client that sends
//! needs, and logins with PLAIN (RFC 4616). It keeps what it takes, and can be
//! ordered to refuse, to put off, to hang up and to be silent.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// Longest message that is taken, in bytes.
const MAX_MESSAGE: usize = 32 * 1024 * 1024;

/// A mail server in memory. It stops when this is dropped.
#[derive(Debug)]
pub struct MailServer {
    address: SocketAddr,
    inner: Arc<Mutex<Content>>,
    _server: JoinSet<()>,
}

/// A message that the server has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedMail {
    /// Who has logged in, if anybody.
    pub user: Option<String>,
    /// The sender of the envelope.
    pub from: String,
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// Header and body as they came, with doubled dots taken back.
    pub text: String,
}

/// What the server does instead of the right thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailEffect {
    /// It answers this. Example: `451 4.7.1 come back later`.
    Reply(&'static str),
    /// It hangs up. A message that had come is kept: its sender cannot know.
    HangUp,
    /// It says nothing any more.
    Silence,
}

#[derive(Debug)]
struct MailFault {
    command: String,
    times: usize,
    effect: MailEffect,
}

#[derive(Debug, Default)]
struct Content {
    login: Option<(String, String)>,
    faults: Vec<MailFault>,
    received: Vec<ReceivedMail>,
    commands: Vec<String>,
}

impl Content {
    fn strike(&mut self, line: &str) -> Option<MailEffect> {
        let position = self.faults.iter().position(|fault| line.contains(&fault.command))?;
        let fault = self.faults.get_mut(position)?;
        fault.times = fault.times.saturating_sub(1);
        let effect = fault.effect;
        if fault.times == 0 {
            self.faults.remove(position);
        }
        Some(effect)
    }
}

fn lock(content: &Mutex<Content>) -> MutexGuard<'_, Content> {
    content.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MailServer {
    /// Starts a server on a free port of the loopback interface.
    ///
    /// # Errors
    /// No port is to be had.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let inner = Arc::new(Mutex::<Content>::default());
        let content = Arc::clone(&inner);
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut talks = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let content = Arc::clone(&content);
                talks.spawn(async move {
                    // A client that goes away in the middle ends its own talk only.
                    let _ = Talk::new(stream, content).run().await;
                });
            }
        });
        Ok(Self { address, inner, _server: server })
    }

    /// The host. Example: `127.0.0.1`.
    pub fn host(&self) -> String {
        self.address.ip().to_string()
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on only this user may send mail.
    pub fn require_login(&self, user: &str, password: &str) {
        lock(&self.inner).login = Some((user.to_owned(), password.to_owned()));
    }

    /// Orders a fault on the next `times` commands that contain a text. The end of
    /// a message is the command `.`, the greeting the command `CONNECT`.
    pub fn add_fault(&self, command: &str, times: usize, effect: MailEffect) {
        lock(&self.inner).faults.push(MailFault { command: command.to_owned(), times, effect });
    }

    /// All messages that were taken, in the order in which they came.
    pub fn received(&self) -> Vec<ReceivedMail> {
        lock(&self.inner).received.clone()
    }

    /// All commands so far, without what logins say.
    pub fn commands(&self) -> Vec<String> {
        lock(&self.inner).commands.clone()
    }
}

/// One connection.
struct Talk {
    stream: BufReader<TcpStream>,
    content: Arc<Mutex<Content>>,
    user: Option<String>,
    from: Option<String>,
    to: Vec<String>,
}

/// Whether the talk goes on.
enum Next {
    GoOn,
    End,
}

impl Talk {
    fn new(stream: TcpStream, content: Arc<Mutex<Content>>) -> Self {
        Self { stream: BufReader::new(stream), content, user: None, from: None, to: Vec::new() }
    }

    async fn run(mut self) -> io::Result<()> {
        if let Next::End = self.answer("CONNECT", "220 loopback ESMTP").await? {
            return Ok(());
        }
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let line = line.trim_end();
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            let shown = if verb == "AUTH" { "AUTH" } else { line };
            lock(&self.content).commands.push(shown.to_owned());
            let next = match verb.as_str() {
                "EHLO" => {
                    let login = lock(&self.content).login.is_some();
                    let auth = if login { "250-AUTH PLAIN\r\n" } else { "" };
                    self.answer(line, &format!("250-loopback\r\n{auth}250 8BITMIME")).await?
                }
                "AUTH" => {
                    let right = self.login(line);
                    self.answer("AUTH", if right { "235 2.7.0 welcome" } else { "535 5.7.8 wrong password" })
                        .await?
                }
                "MAIL" if lock(&self.content).login.is_some() && self.user.is_none() => {
                    self.answer(line, "530 5.7.0 log in first").await?
                }
                "MAIL" => {
                    (self.from, self.to) = (Some(bracketed(line)), Vec::new());
                    self.answer(line, "250 2.1.0 fine").await?
                }
                "RCPT" if self.from.is_some() => self.recipient(line).await?,
                "DATA" if !self.to.is_empty() => self.data(line).await?,
                "NOOP" | "RSET" => self.answer(line, "250 2.0.0 fine").await?,
                "QUIT" => {
                    self.answer(line, "221 2.0.0 bye").await?;
                    Next::End
                }
                "RCPT" | "DATA" => self.answer(line, "503 5.5.1 one thing after the other").await?,
                _ => self.answer(line, "502 5.5.1 what is that").await?,
            };
            if let Next::End = next {
                return Ok(());
            }
        }
    }

    async fn recipient(&mut self, line: &str) -> io::Result<Next> {
        let effect = lock(&self.content).strike(line);
        if effect.is_none() {
            self.to.push(bracketed(line));
        }
        self.say(effect, "250 2.1.5 fine").await
    }

    async fn data(&mut self, line: &str) -> io::Result<Next> {
        let effect = lock(&self.content).strike(line);
        if effect.is_some() {
            return self.say(effect, "").await;
        }
        self.say(None, "354 go on").await?;
        let mut text = Vec::new();
        loop {
            let before = text.len();
            if self.stream.read_until(b'\n', &mut text).await? == 0 || text.len() > MAX_MESSAGE {
                return Ok(Next::End);
            }
            match text.get(before..) {
                Some(b".\r\n") => {
                    text.truncate(before);
                    break;
                }
                Some([b'.', ..]) => {
                    text.remove(before);
                }
                _ => {}
            }
        }
        let effect = lock(&self.content).strike(".\r\n");
        if !matches!(effect, Some(MailEffect::Reply(_))) {
            let mail = ReceivedMail {
                user: self.user.clone(),
                from: self.from.take().unwrap_or_default(),
                to: std::mem::take(&mut self.to),
                text: String::from_utf8_lossy(&text).into_owned(),
            };
            lock(&self.content).received.push(mail);
        }
        self.say(effect, "250 2.0.0 taken").await
    }

    /// Whether an AUTH PLAIN names the right user and password.
    fn login(&mut self, line: &str) -> bool {
        let Some((user, password)) = lock(&self.content).login.clone() else { return false };
        let token = line.rsplit(' ').next().unwrap_or_default();
        let right = format!("\0{user}\0{password}");
        let is_right = STANDARD.decode(token).is_ok_and(|said| said == right.as_bytes());
        self.user = is_right.then_some(user);
        is_right
    }

    async fn answer(&mut self, line: &str, right: &str) -> io::Result<Next> {
        let effect = lock(&self.content).strike(line);
        self.say(effect, right).await
    }

    async fn say(&mut self, effect: Option<MailEffect>, right: &str) -> io::Result<Next> {
        let reply = match effect {
            None => right,
            Some(MailEffect::Reply(reply)) => reply,
            Some(MailEffect::HangUp) => return Ok(Next::End),
            Some(MailEffect::Silence) => return std::future::pending().await,
        };
        self.stream.get_mut().write_all(format!("{reply}\r\n").as_bytes()).await?;
        Ok(Next::GoOn)
    }
}

/// What stands between `<` and `>`.
fn bracketed(line: &str) -> String {
    let after = line.split_once('<').map_or("", |(_, after)| after);
    after.split_once('>').map_or("", |(inside, _)| inside).to_owned()
}
