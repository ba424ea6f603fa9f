//! Connections: so many, heads that arrive in time, answers that are taken, and an end that lets what was begun finish.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;

use super::{App, router, runner};

/// Open connections at most; more wait in the listener's backlog.
const CONNECTIONS: usize = 1024;
/// For the head of a request to arrive.
const HEAD: Duration = Duration::from_secs(30);
/// For a client to take something of its answer.
const TAKE: Duration = Duration::from_secs(30);
/// For what was begun to finish, once the server is to stop.
const GRACE: Duration = Duration::from_secs(30);

/// Answer until `stop` ends, then finish what was begun.
pub(crate) async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    serve_within(TAKE, listener, app, stop).await
}

/// [`serve`], with another time for a client to take something of its answer.
pub(super) async fn serve_within(
    take: Duration,
    listener: TcpListener,
    app: Arc<App>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let service = TowerToHyperService::new(router(Arc::clone(&app)));
    let runner = tokio::spawn(runner::run(Arc::clone(&app)));
    let mut builder = Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD);
    let (places, graceful) = (Arc::new(Semaphore::new(CONNECTIONS)), GracefulShutdown::new());
    tokio::pin!(stop);
    loop {
        let place = Arc::clone(&places).acquire_owned();
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = async { (place.await, listener.accept().await) } => accepted,
        };
        let (Ok(place), Ok((stream, _))) = accepted else {
            // No more files, or a client that has gone: both pass.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // Small answers (events) go out at once.
        let _ = stream.set_nodelay(true);
        let stream = TokioIo::new(bounded(stream, take));
        let watched = graceful.watch(builder.serve_connection(stream, service.clone()));
        tokio::spawn(async move {
            // How a client breaks off is its own affair.
            let _ = watched.await;
            drop(place);
        });
    }
    drop(listener);
    app.close.send_replace(true);
    let ended = async { tokio::join!(graceful.shutdown(), runner) };
    if tokio::time::timeout(GRACE, ended).await.is_err() {
        crate::output::warning("stopped with requests unfinished");
    }
    Ok(())
}

/// Ends with an error where nothing of what is written goes out for so long: a client that reads nothing would hold its
/// place for ever. How long it takes to send and to be answered is bounded elsewhere.
fn bounded(stream: TcpStream, take: Duration) -> Pin<Box<TimeoutStream<TcpStream>>> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(take));
    Box::pin(stream)
}
