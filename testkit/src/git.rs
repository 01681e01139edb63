//! Real git remotes for tests: repositories made with the `git` program, served
//! by `git daemon` and by `git http-backend` on loopback ports.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::Arc,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use tempfile::TempDir;
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
    process::Command,
    task::JoinSet,
};

/// Largest request that the HTTP server takes, in bytes.
const MAX_REQUEST: usize = 16 * 1024 * 1024;

/// A repository with a working tree in a temporary directory. Commits are
/// reproducible: author and time are fixed.
#[derive(Debug)]
pub struct GitRepository {
    root: TempDir,
}

impl GitRepository {
    /// An empty repository whose branch is `main`.
    ///
    /// # Errors
    /// The `git` program is missing or fails.
    pub fn new() -> io::Result<Self> {
        let repository = Self { root: TempDir::new()? };
        std::fs::create_dir(repository.path())?;
        repository.git(&["init", "--quiet", "--initial-branch=main"])?;
        Ok(repository)
    }

    /// The working tree, `hello` in a directory of its own.
    pub fn path(&self) -> PathBuf {
        self.root.path().join("hello")
    }

    /// The directory above, which the servers serve: the repository is `/hello`
    /// in their addresses.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Runs `git` in the working tree and returns what it prints, without the
    /// line feed at the end.
    ///
    /// # Errors
    /// It cannot be run, or fails; the error quotes what it printed.
    pub fn git(&self, arguments: &[&str]) -> io::Result<String> {
        let output = std::process::Command::new("git")
            .args(arguments)
            .current_dir(self.path())
            .env_remove("GIT_DIR")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "A U Thor")
            .env("GIT_AUTHOR_EMAIL", "author@example.org")
            .env("GIT_AUTHOR_DATE", "1700000000 +0000")
            .env("GIT_COMMITTER_NAME", "C O Mitter")
            .env("GIT_COMMITTER_EMAIL", "committer@example.org")
            .env("GIT_COMMITTER_DATE", "1700000000 +0000")
            .output()?;
        text(&output).map_err(|error| io::Error::other(format!("git {}: {error}", arguments.join(" "))))
    }

    /// Writes a file into the working tree, with its directories.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> io::Result<()> {
        let path = self.path().join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, content)
    }

    /// Makes a symbolic link in the working tree.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn link(&self, path: &str, target: &str) -> io::Result<()> {
        let path = self.path().join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::os::unix::fs::symlink(target, path)
    }

    /// Commits the whole working tree and returns the commit's id.
    ///
    /// # Errors
    /// `git` fails.
    pub fn commit(&self, message: &str) -> io::Result<String> {
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--allow-empty", "-m", message])?;
        self.git(&["rev-parse", "HEAD"])
    }

    /// Writes files and commits them.
    ///
    /// # Errors
    /// The disk refuses, or `git` fails.
    pub fn commit_files(&self, message: &str, files: &[(&str, &str)]) -> io::Result<String> {
        for (path, content) in files {
            self.write(path, content)?;
        }
        self.commit(message)
    }
}

fn text(output: &Output) -> Result<String, String> {
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    } else {
        Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim_end()))
    }
}

/// A server that ends when it is dropped.
#[derive(Debug)]
pub struct GitServer {
    address: SocketAddr,
    scheme: &'static str,
    _tasks: JoinSet<()>,
}

impl GitServer {
    /// Serves the repositories below `root` with `git daemon`.
    ///
    /// # Errors
    /// No loopback port is free.
    pub async fn daemon(root: &Path) -> io::Result<Self> {
        let root = root.to_owned();
        Self::start("git", move |listener| async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let root = root.clone();
                connections.spawn(async move {
                    let _ended = one_daemon(stream, &root).await;
                });
            }
        })
        .await
    }

    /// Serves the repositories below `root` over smart HTTP; with `login`, only
    /// to this user and password.
    ///
    /// # Errors
    /// No loopback port is free.
    pub async fn http(root: &Path, login: Option<(&str, &str)>) -> io::Result<Self> {
        let expected =
            login.map(|(user, password)| format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))));
        let backend = Arc::new(Backend { root: root.to_owned(), expected });
        let router = Router::new().fallback(handle).with_state(backend);
        Self::start("http", move |listener| async move {
            let _ended = axum::serve(listener, router).await;
        })
        .await
    }

    /// Accepts connections and never answers.
    ///
    /// # Errors
    /// No loopback port is free.
    pub async fn silent() -> io::Result<Self> {
        Self::start("http", |listener| async move {
            let mut open = Vec::new();
            while let Ok(connection) = listener.accept().await {
                open.push(connection);
            }
        })
        .await
    }

    /// The address of a repository. Example: `git://127.0.0.1:40123/hello`.
    pub fn uri(&self, repository: &str) -> String {
        format!("{}://{}/{repository}", self.scheme, self.address)
    }

    /// Host and port. Example: `127.0.0.1:40123`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    async fn start<F>(scheme: &'static str, serve: impl FnOnce(TcpListener) -> F) -> io::Result<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener));
        Ok(Self { address, scheme, _tasks: tasks })
    }
}

/// Lets `git daemon` answer one connection, as inetd would.
async fn one_daemon(stream: TcpStream, root: &Path) -> io::Result<()> {
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    let output = stream.try_clone()?;
    let mut base = std::ffi::OsString::from("--base-path=");
    base.push(root);
    git()
        .args(["daemon", "--inetd", "--export-all"])
        .arg(base)
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(stream)))
        .stdout(Stdio::from(std::os::fd::OwnedFd::from(output)))
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .map(drop)
}

fn git() -> Command {
    let mut command = Command::new("git");
    // The directory belongs to whoever runs the tests, which git need not ask about.
    command
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*");
    command
}

#[derive(Debug)]
struct Backend {
    root: PathBuf,
    expected: Option<String>,
}

async fn handle(State(backend): State<Arc<Backend>>, request: Request) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if backend.expected.is_some() && given != backend.expected.as_deref() {
        let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"git\"")];
        return (StatusCode::UNAUTHORIZED, challenge, "who are you?").into_response();
    }
    match cgi(&backend.root, request).await {
        Ok(response) => response,
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Runs `git http-backend` for one request (RFC 3875).
async fn cgi(root: &Path, request: Request) -> io::Result<Response> {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MAX_REQUEST).await.map_err(io::Error::other)?;
    let text = |headers: &HeaderMap, name: header::HeaderName| {
        headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let mut child = git()
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", head.uri.path())
        .env("QUERY_STRING", head.uri.query().unwrap_or_default())
        .env("REQUEST_METHOD", head.method.as_str())
        .env("CONTENT_TYPE", text(&head.headers, header::CONTENT_TYPE))
        .env("HTTP_CONTENT_ENCODING", text(&head.headers, header::CONTENT_ENCODING))
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut input = child.stdin.take().ok_or_else(|| io::Error::other("no standard input"))?;
    let (written, output) = tokio::join!(
        async move {
            input.write_all(&body).await?;
            input.shutdown().await
        },
        child.wait_with_output()
    );
    let output = output?.stdout;
    // A backend that refuses does not read its input; what it says counts.
    drop(written);
    let end = output.windows(4).position(|w| w == b"\r\n\r\n");
    let end = end.ok_or_else(|| io::Error::other("git http-backend sent no headers"))?;
    let mut response = Response::builder();
    for line in String::from_utf8_lossy(&output[..end]).lines() {
        let Some((name, value)) = line.split_once(": ") else { continue };
        response = match name {
            "Status" => response.status(value.split(' ').next().unwrap_or("500")),
            name => response.header(name, value),
        };
    }
    response.body(Body::from(output[end + 4..].to_vec())).map_err(io::Error::other)
}
