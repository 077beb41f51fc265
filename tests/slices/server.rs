//! The local AWS that a world's tables lie in: in this process, or in one of its own that can be killed.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use transom_local::{Client, Isolation, LocalAws, Options};
use transom_tests::fault;

/// In the environment of a server: the folder of its data.
const DATA: &str = "TRANSOM_SERVER_DATA";
/// In the environment of a server: its port.
const PORT: &str = "TRANSOM_SERVER_PORT";

pub(crate) enum Server {
    Here(LocalAws),
    Apart(Apart),
}

/// A server in a process of its own.
pub(crate) struct Apart {
    data: PathBuf,
    port: u16,
    endpoint: String,
    process: Child,
}

impl Server {
    pub(crate) async fn here(data: &Path, isolation: Isolation) -> Self {
        let options = Options {
            http_port: 0,
            isolation,
            ..Options::new(data)
        };
        Self::Here(LocalAws::start(options).await.unwrap())
    }

    pub(crate) async fn apart(data: &Path) -> Self {
        // A port that nothing has, and that nothing takes in the next moment.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let apart = Apart {
            data: data.to_owned(),
            port,
            endpoint: format!("http://127.0.0.1:{port}"),
            process: spawn(data, port),
        };
        apart.wait().await;
        Self::Apart(apart)
    }

    pub(crate) fn endpoint(&self) -> &str {
        match self {
            Self::Here(server) => server.endpoint(),
            Self::Apart(apart) => &apart.endpoint,
        }
    }

    /// Kills the process of the server, and starts another one on what it has left.
    pub(crate) async fn kill_and_restart(&mut self) {
        let Self::Apart(apart) = self else {
            panic!("the server is in this process");
        };
        apart.process.kill().unwrap();
        apart.process.wait().unwrap();
        apart.process = spawn(&apart.data, apart.port);
        apart.wait().await;
    }
}

impl Apart {
    async fn wait(&self) {
        let client = Client::new(&self.endpoint);
        for _ in 0..500 {
            if client.status().await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the server does not start");
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(data: &Path, port: u16) -> Child {
    let (data, port) = (data.to_str().unwrap(), port.to_string());
    fault::spawn("server::serve", "", &[(DATA, data), (PORT, &port)])
}

/// What a process that was started by [`spawn`] does; nothing in the process of the tests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve() {
    let Some(data) = std::env::var_os(DATA) else {
        return;
    };
    let options = Options {
        http_port: std::env::var(PORT).unwrap().parse().unwrap(),
        ..Options::new(Path::new(&data))
    };
    let _server = LocalAws::start(options).await.unwrap();
    std::future::pending::<()>().await;
}
