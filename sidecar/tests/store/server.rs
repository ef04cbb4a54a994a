//! A `PostgreSQL` of the tests' own.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio::time::{sleep, timeout};

/// Runs the server until its standard input ends, which it does with this process, however that ends.
const HOLD: &str = "\"$1\" -D \"$2/data\" -k \"$2\" -p \"$3\" -c listen_addresses=127.0.0.1 \
    -c ssl=on -c ssl_cert_file=\"$2/cert.pem\" -c ssl_key_file=\"$2/key.pem\" -c fsync=\"$4\" \
    -c max_connections=200 >>\"$2/log\" 2>&1 & server=$!; read -r _; kill -INT $server; wait $server; \"$5\" -rf \"$2\"";

/// Long enough for a machine that does much else.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server, and its folder.
pub struct Server {
    bin: PathBuf,
    dir: PathBuf,
    port: u16,
    shared: bool,
    holder: Option<Child>,
}

/// The server that the tests share, or why there is none.
pub async fn shared() -> Result<Result<&'static Server, String>> {
    static SERVER: OnceCell<Result<Server, String>> = OnceCell::const_new();
    let server = SERVER.get_or_try_init(|| Server::start(true)).await?;
    Ok(server.as_ref().map_err(Clone::clone))
}

impl Server {
    /// Starts one for one test; or why there is none.
    pub async fn own() -> Result<Result<Self, String>> {
        Self::start(false).await
    }

    async fn start(shared: bool) -> Result<Result<Self, String>> {
        let bin = match programs()? {
            Ok(bin) => bin,
            Err(reason) => return Ok(Err(reason)),
        };
        let dir = TempDir::new()?.keep();
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut server = Self {
            bin,
            dir,
            port,
            shared,
            holder: None,
        };
        server.make()?;
        server.run().await?;
        Ok(Ok(server))
    }

    fn make(&self) -> Result<()> {
        let user = user()?;
        let place = |path: &Path, mode| -> Result<()> {
            if let Some((user, group)) = user {
                chown(path, Some(user), Some(group))?;
            }
            Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
        };
        // Others read the certificate of the authority.
        place(&self.dir, 0o755)?;
        let (authority, certificate, key) = certificates()?;
        for (name, text, mode) in [
            ("ca.pem", authority, 0o644),
            ("cert.pem", certificate, 0o644),
            ("key.pem", key, 0o600),
        ] {
            fs::write(self.dir.join(name), text)?;
            place(&self.dir.join(name), mode)?;
        }
        let mut initdb = self.command(&self.bin.join("initdb"))?;
        initdb.arg("-D").arg(self.dir.join("data"));
        initdb.args([
            "-A",
            "trust",
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ]);
        let output = initdb.output()?;
        if !output.status.success() {
            bail!("initdb: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    /// Starts the program, again after [`Server::kill`].
    pub async fn run(&mut self) -> Result<()> {
        let mut hold = self.command(Path::new("sh"))?;
        hold.args(["-c", HOLD, "sh"]);
        hold.arg(self.bin.join("postgres")).arg(&self.dir);
        hold.arg(self.port.to_string());
        // A power cut is not what the tests make; the shared server is to be quick.
        hold.arg(if self.shared { "off" } else { "on" });
        hold.arg(if self.shared { "rm" } else { "true" });
        // The shell tells of a server that was killed, as it was to be.
        hold.stdin(Stdio::piped()).stderr(Stdio::null());
        self.holder = Some(hold.spawn()?);
        let mut last = None;
        let up = async {
            loop {
                match self.options("postgres").connect().await {
                    Ok(connection) => return connection.close().await,
                    Err(error) => last = Some(error),
                }
                sleep(Duration::from_millis(100)).await;
            }
        };
        if timeout(PATIENCE, up).await.is_err() {
            let mut log = String::new();
            fs::File::open(self.dir.join("log"))?.read_to_string(&mut log)?;
            bail!("PostgreSQL did not start: {last:?}\n{log}");
        }
        Ok(())
    }

    /// Kills the program as a power cut would, and waits until its last process is gone.
    pub async fn kill(&mut self) -> Result<()> {
        let pid = fs::read_to_string(self.dir.join("data/postmaster.pid"))?;
        let pid = pid.lines().next().context("an empty postmaster.pid")?;
        let pid = Pid::from_raw(pid.trim().parse()?).context("no process id")?;
        kill_process(pid, Signal::KILL)?;
        self.wait()?;
        // Its children notice by themselves; each has this folder's shared memory.
        let socket = self.dir.join(format!(".s.PGSQL.{}", self.port));
        let gone = async {
            while std::os::unix::net::UnixStream::connect(&socket).is_ok() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, gone).await?;
        sleep(Duration::from_secs(1)).await;
        Ok(())
    }

    fn wait(&mut self) -> Result<()> {
        if let Some(mut holder) = self.holder.take() {
            if let Some(mut input) = holder.stdin.take() {
                // It reads one line or the end; it may have ended by itself.
                input.write_all(b"\n").ok();
            }
            holder.wait()?;
        }
        Ok(())
    }

    /// Stops it in good order and starts it again: as a standby without a primary, or as what it was.
    pub async fn restart(&mut self, standby: bool) -> Result<()> {
        self.wait()?;
        let signal = self.dir.join("data/standby.signal");
        if standby {
            fs::write(&signal, "")?;
            if let Some((user, group)) = user()? {
                chown(&signal, Some(user), Some(group))?;
            }
        } else {
            fs::remove_file(&signal)?;
        }
        self.run().await
    }

    /// Makes an empty database; its URL.
    pub async fn database(&self) -> Result<String> {
        Ok(self.url(&self.named_database().await?))
    }

    /// Makes an empty database; its name.
    pub async fn named_database(&self) -> Result<String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("store{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut connection = self.options("postgres").connect().await?;
        let create = format!("CREATE DATABASE {name} TEMPLATE template0");
        connection.execute(AssertSqlSafe(create)).await?;
        connection.close().await?;
        Ok(name)
    }

    /// Where it listens beside its Unix socket.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The URL of a database, by the Unix socket.
    pub fn url(&self, database: &str) -> String {
        let (dir, port) = (self.dir.display(), self.port);
        format!("postgres:///{database}?host={dir}&port={port}&user=postgres")
    }

    /// A URL that goes by a host name, and so by TLS.
    pub fn remote(&self, host: &str, parameters: &str) -> String {
        format!(
            "postgres://postgres@{host}:{}/postgres?{parameters}",
            self.port
        )
    }

    /// The file with the certificate that the server's own is signed by.
    pub fn authority(&self) -> String {
        self.dir.join("ca.pem").display().to_string()
    }

    fn options(&self, database: &str) -> PgConnectOptions {
        self.url(database).parse().unwrap()
    }

    /// A command as the user that the server may run as: not root.
    fn command(&self, program: &Path) -> Result<Command> {
        let mut command = Command::new(program);
        command.current_dir(&self.dir);
        if let Some((user, group)) = user()? {
            command.uid(user).gid(group);
        }
        Ok(command)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.wait().ok();
        fs::remove_dir_all(&self.dir).ok();
    }
}

/// A connection for what a test does behind a store's back.
pub async fn connect(url: &str) -> Result<PgConnection> {
    Ok(url.parse::<PgConnectOptions>()?.connect().await?)
}

/// The folder of the programs: as `cargo xtask test` found it, or where Debian puts them; or why there is none.
fn programs() -> Result<Result<PathBuf, String>> {
    if let Ok(reason) = std::env::var("MINTAGE_COMPAT_POSTGRES_SKIP") {
        return Ok(Err(reason));
    }
    if let Ok(command) = std::env::var("MINTAGE_COMPAT_POSTGRES") {
        let command: Vec<PathBuf> = serde_json::from_str(&command)?;
        let program = command.first().context("an empty command line")?;
        return Ok(Ok(program.parent().context("no folder")?.to_owned()));
    }
    let mut versions: Vec<PathBuf> = match fs::read_dir("/usr/lib/postgresql") {
        Ok(versions) => versions
            .map(|version| Ok(version?.path().join("bin")))
            .collect::<Result<_>>()?,
        Err(_) => Vec::new(),
    };
    versions.retain(|bin| bin.join("initdb").exists());
    versions.sort();
    Ok(versions.pop().ok_or_else(|| {
        "PostgreSQL was not found; `apt-get install postgresql-15` installs it on Debian".to_owned()
    }))
}

/// The user and group to run as, if this is root, which the server refuses to be.
fn user() -> Result<Option<(u32, u32)>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let id = |what| -> Result<u32> {
        let output = Command::new("id").args([what, "postgres"]).output()?;
        Ok(String::from_utf8(output.stdout)?.trim().parse()?)
    };
    Ok(Some((id("-u")?, id("-g")?)))
}

/// A certificate for `localhost`, and `postgres` as pods may call it, by an authority: that authority's, its own, and its key, all as PEM.
fn certificates() -> Result<(String, String, String)> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate()?;
    let authority = params.self_signed(&authority_key)?.pem();
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate()?;
    let params = CertificateParams::new(["localhost", "postgres"].map(str::to_owned))?;
    let certificate = params.signed_by(&key, &issuer)?.pem();
    Ok((authority, certificate, key.serialize_pem()))
}
