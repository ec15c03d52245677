use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use super::{Direction, Interest, Reactor, Registration, Start};
use crate::config::{Config, Reach};
use crate::loom::atomic::Ordering::Relaxed;
use crate::mesh::{Mesh, ShardId};
use crate::park::Spin;
use crate::shard::{Driver, Shard, ShardBuilder, Turn, spawn_as, spawn_local};
use crate::task::next_id;
use crate::timer::{Clock, Entry, Status};

const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

struct Socket {
    registration: Registration,
    stream: UnixStream,
}

impl Socket {
    fn poll_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let len = buf.len();
        self.registration.poll_transfer(cx, Direction::Read, len, || (&self.stream).read(buf))
    }

    fn is_ready(&self, interest: Interest) -> bool {
        self.registration.try_io(interest, || Ok(())).is_ok()
    }
}

fn mesh(shards: usize) -> Arc<Mesh> {
    let mut config = Config::new(shards);
    config.spin = Spin::Fixed(Duration::ZERO);
    Mesh::new(config, Clock::new())
}

fn shard(mesh: &Arc<Mesh>, id: u32) -> Shard {
    let reactor = Reactor::new(16, mesh.config().timer_resolution_us).unwrap();
    Shard::with_reactor(mesh.clone(), ShardId(id), reactor)
}

fn pair(mesh: &Arc<Mesh>) -> (Socket, UnixStream) {
    let (stream, peer) = UnixStream::pair().unwrap();
    stream.set_nonblocking(true).unwrap();
    peer.set_nonblocking(true).unwrap();
    (Socket { registration: Registration::new(mesh, stream.as_raw_fd(), BOTH), stream }, peer)
}

/// Turns until there is nothing left to run, without waiting.
fn run(shard: &mut Shard) {
    while shard.turn() == Turn::Again {}
}

/// One wait that ends by an event, then all that follows from it.
fn wait(shard: &mut Shard) {
    shard.park(|| false);
    run(shard);
}

fn events(shard: &mut Shard) -> usize {
    shard.driver().wait(Some(Duration::ZERO))
}

fn noop() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

#[derive(Default)]
struct Wakes(std::sync::atomic::AtomicUsize);

impl std::task::Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Wakes {
    fn count(&self) -> usize {
        self.0.load(std::sync::atomic::Ordering::SeqCst)
    }
}

fn counting() -> (Arc<Wakes>, Waker) {
    let wakes = Arc::<Wakes>::default();
    (wakes.clone(), Waker::from(wakes))
}

#[test]
fn an_event_wakes_the_task_that_waits() {
    let mesh = mesh(1);
    let mut shard = shard(&mesh, 0);
    let (socket, mut peer) = pair(&mesh);
    let got = Rc::new(RefCell::new(Vec::new()));
    let task = {
        let got = got.clone();
        shard.enter(|local| {
            spawn_local(local, async move {
                for _ in 0..3 {
                    let mut buf = [0; 8];
                    let n = poll_fn(|cx| socket.poll_read(cx, &mut buf)).await.unwrap();
                    got.borrow_mut().extend_from_slice(&buf[..n]);
                }
            })
        })
    };
    run(&mut shard);
    for part in ["one ", "two ", "three"] {
        peer.write_all(part.as_bytes()).unwrap();
        while !got.borrow().ends_with(part.as_bytes()) {
            wait(&mut shard);
        }
    }
    assert_eq!(*got.borrow(), b"one two three");
    assert!(task.is_finished());
    drop(shard);
}

#[test]
fn what_succeeds_at_once_is_never_bound() {
    let mesh = mesh(2);
    let mut other = shard(&mesh, 0);
    let shard = shard(&mesh, 1);
    let (socket, mut peer) = pair(&mesh);
    peer.write_all(b"here").unwrap();
    let mut buf = [0; 8];
    shard.enter(|_| {
        assert!(matches!(socket.poll_read(&mut noop(), &mut buf), Poll::Ready(Ok(4))));
        assert!(socket.registration.home().is_none());
        assert!(socket.poll_read(&mut noop(), &mut buf).is_pending());
    });
    // Bound by the shard that had to wait.
    assert_eq!(socket.registration.home().map(|home| home.id()), Some(ShardId(1)));
    // From elsewhere it is used where it is.
    other.enter(|_| assert!(socket.poll_read(&mut noop(), &mut buf).is_pending()));
    assert_eq!(socket.registration.home().map(|home| home.id()), Some(ShardId(1)));
    assert_eq!(events(&mut other), 0);
    // An alien binds to the shard with the fewest tasks.
    let _task = other.enter(|local| spawn_local(local, std::future::pending::<()>()));
    assert_eq!(other.turn(), Turn::Idle);
    let (mut alien, _peer) = pair(&mesh);
    assert!(alien.poll_read(&mut noop(), &mut buf).is_pending());
    assert_eq!(alien.registration.home().map(|home| home.id()), Some(ShardId(1)));
    alien.registration.follow();
    assert!(alien.registration.home().is_some());
    drop(other);
    drop(shard);
}

fn builder(mesh: &Arc<Mesh>) -> ShardBuilder {
    let reactor = Reactor::new(0, mesh.config().timer_resolution_us).unwrap();
    ShardBuilder::new(mesh.clone(), ShardId(0), reactor)
}

#[test]
fn a_shard_takes_mail_timers_and_sockets_before_its_thread_builds_it() {
    let mesh = mesh(1);
    let builder = builder(&mesh);
    let (socket, mut peer) = pair(&mesh);
    let (read, reads) = counting();
    assert!(socket.poll_read(&mut Context::from_waker(&reads), &mut [0; 8]).is_pending());
    assert_eq!(socket.registration.home().map(|home| home.id()), Some(ShardId(0)));
    peer.write_all(b"here").unwrap();
    let (fired, fires) = counting();
    let mut entry = pin!(Entry::new());
    let _ = entry.as_mut().arm(mesh.remote(ShardId(0)).lane(), 0, fires.clone());
    let task = spawn_as(&mesh, next_id(), async { std::thread::current().id() });
    let there = thread::spawn(move || {
        let mut shard = builder.build(|reactor| reactor.make_room(16));
        run(&mut shard);
        wait(&mut shard);
        assert!(task.is_finished());
    });
    there.join().unwrap();
    assert_eq!((read.count(), fired.count()), (1, 1));
}

#[test]
fn a_shard_that_is_never_built_closes() {
    never_builds(drop);
}

#[test]
fn a_shard_whose_thread_panics_as_it_builds_it_closes() {
    never_builds(|builder| {
        let built = AssertUnwindSafe(|| drop(builder.build(|_| resume_unwind(Box::new("no room")))));
        assert!(catch_unwind(built).is_err());
    });
}

fn never_builds(end: impl FnOnce(ShardBuilder)) {
    let mesh = mesh(1);
    let builder = builder(&mesh);
    let (mut socket, _peer) = pair(&mesh);
    let (read, reads) = counting();
    let poll_read = |socket: &mut Socket| socket.poll_read(&mut Context::from_waker(&reads), &mut [0; 8]);
    assert!(poll_read(&mut socket).is_pending());
    let (fired, fires) = counting();
    let mut entry = pin!(Entry::new());
    let _ = entry.as_mut().arm(mesh.remote(ShardId(0)).lane(), u64::MAX / 2, fires.clone());
    let mailed = spawn_as(&mesh, next_id(), pending::<()>());
    end(builder);
    assert_eq!((read.count(), fired.count()), (1, 1));
    assert!(matches!(poll_read(&mut socket), Poll::Ready(Err(_))));
    assert!(mailed.is_finished() && spawn_as(&mesh, next_id(), pending::<()>()).is_finished());
    assert_eq!(entry.status(), Status::Closed);
}

#[test]
fn nothing_is_lost_between_the_try_and_the_binding() {
    let mesh = mesh(1);
    let mut shard = shard(&mesh, 0);
    let (socket, mut peer) = pair(&mesh);
    let (wakes, waker) = counting();
    let tries = Cell::new(0);
    shard.enter(|_| {
        let poll = socket.registration.poll_io(&mut Context::from_waker(&waker), Direction::Read, || {
            let result = (&socket.stream).read(&mut [0; 8]);
            if tries.replace(tries.get() + 1) == 0 {
                peer.write_all(b"late").unwrap();
            }
            result
        });
        assert!(poll.is_pending());
    });
    assert_eq!((events(&mut shard), wakes.count(), tries.get()), (1, 1, 1));
    drop(shard);
}

#[test]
fn what_is_taken_for_ready_before_the_first_event_depends_on_how_it_began() {
    let mesh = mesh(1);
    let mut shard = shard(&mesh, 0);
    let is_ready = |socket: &Socket| {
        [Interest::READABLE, Interest::WRITABLE]
            .map(|interest| pin!(socket.registration.readiness(interest)).poll(&mut noop()).is_ready())
    };
    let table = [
        (Start::Unknown, [false, false], [false, true]),
        (Start::Writable, [false, true], [false, true]),
        (Start::Ready, [true, true], [false, true]),
    ];
    for (start, asked, tried) in table {
        let begin = || {
            let (Socket { registration, stream }, peer) = pair(&mesh);
            (Socket { registration: registration.starting(start), stream }, peer)
        };
        let (socket, mut peer) = begin();
        assert_eq!(is_ready(&socket), asked, "{start:?}");
        // Nothing is hidden: what was taken for ready and found otherwise is ready again with its event.
        let would_block = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
        let _ = socket.registration.try_io(Interest::READABLE, would_block);
        let _ = socket.registration.try_io(Interest::WRITABLE, would_block);
        assert_eq!(is_ready(&socket), [false, false], "{start:?}");
        peer.write_all(b"x").unwrap();
        assert_eq!(events(&mut shard), 1);
        assert_eq!(is_ready(&socket), [true, true], "{start:?}");

        let (socket, _peer) = begin();
        assert!(socket.poll_read(&mut noop(), &mut [0; 8]).is_pending());
        assert_eq!(is_ready(&socket), tried, "{start:?}, after a read that would block");
    }
    let (Socket { registration, stream }, _peer) = pair(&mesh);
    let untried = Socket { registration: registration.starting(Start::Untried), stream };
    let never = || -> io::Result<()> { panic!("tried") };
    assert!(untried.registration.poll_io(&mut noop(), Direction::Read, never).is_pending());
    assert!(untried.registration.try_io(Interest::READABLE, never).is_err());
    assert!(pin!(untried.registration.async_io(Interest::READABLE, never)).poll(&mut noop()).is_pending());
    drop(shard);
}

#[test]
fn a_short_read_clears_and_a_full_one_does_not() {
    let mesh = mesh(1);
    let mut shard = shard(&mesh, 0);
    let (socket, mut peer) = pair(&mesh);
    socket.registration.bind_now().unwrap();
    peer.write_all(b"12345678").unwrap();
    events(&mut shard);
    let mut buf = [0; 6];
    assert!(matches!(socket.poll_read(&mut noop(), &mut buf), Poll::Ready(Ok(6))));
    assert!(socket.is_ready(Interest::READABLE));
    assert!(matches!(socket.poll_read(&mut noop(), &mut buf), Poll::Ready(Ok(2))));
    assert!(!socket.is_ready(Interest::READABLE));
    assert!(socket.is_ready(Interest::WRITABLE));
    peer.write_all(b"9").unwrap();
    assert!(!socket.is_ready(Interest::READABLE));
    events(&mut shard);
    assert!(socket.is_ready(Interest::READABLE));
    drop(shard);
}

/// More events than a count has values, and whoever is to read and write is busy with something else.
#[test]
fn what_is_ready_stays_so_however_many_events_come() {
    let mesh = mesh(1);
    let mut shard = shard(&mesh, 0);
    let (socket, mut peer) = pair(&mesh);
    socket.registration.bind_now().unwrap();
    let mut there = 0;
    for n in 0..150_000 {
        peer.write_all(b"1").unwrap();
        there += 1;
        assert_eq!(events(&mut shard), 1);
        assert!(socket.is_ready(Interest::WRITABLE), "after {n} events");
        assert!(socket.is_ready(Interest::READABLE), "after {n} events");
        if there == 100 {
            // Not by way of the registration, which would clear what is used up.
            (&socket.stream).read_exact(&mut [0; 99]).unwrap();
            there = 1;
        }
    }
    drop(shard);
}

/// Who took a readiness clears it when a count has begun again since, as a try on another thread may.
#[test]
fn what_is_cleared_late_hides_nothing() {
    // The lengths of a lap, that of a count without a bit for the lap as well.
    for lap in [1 << 14, 1 << 15] {
        let mesh = mesh(1);
        let mut shard = shard(&mesh, 0);
        let (socket, mut peer) = pair(&mesh);
        socket.registration.bind_now().unwrap();
        assert_eq!(events(&mut shard), 1);
        let (mut taken, mut there) = (None, 0);
        for n in 2..4 * lap {
            peer.write_all(b"1").unwrap();
            assert_eq!(events(&mut shard), 1);
            there += 1;
            if there == 100 {
                // Not by way of the registration, which would clear what is used up.
                (&socket.stream).read_exact(&mut [0; 99]).unwrap();
                there = 1;
            }
            if let Some(taken) = taken.take() {
                socket.registration.clear_readiness(taken);
            }
            assert!(socket.is_ready(Interest::WRITABLE), "after {n} events");
            if n == lap - 1 {
                let event = pin!(socket.registration.readiness(Interest::WRITABLE)).poll(&mut noop());
                let Poll::Ready(Ok(event)) = event else { panic!("it is ready") };
                taken = Some(event);
            }
        }
        drop(shard);
    }
}

/// One answer to each of many requests: writing never blocks, so nobody ever finds it used up.
#[test]
fn a_connection_answers_more_requests_than_a_count_has_values() {
    let mesh = mesh(1);
    let mut shard = shard(&mesh, 0);
    let (socket, mut peer) = pair(&mesh);
    shard.enter(|local| {
        drop(spawn_local(local, async move {
            let mut buf = [0; 8];
            while poll_fn(|cx| socket.poll_read(cx, &mut buf)).await.unwrap() > 0 {
                let write = || (&socket.stream).write(&buf[..1]);
                let wrote =
                    poll_fn(|cx| socket.registration.poll_transfer(cx, Direction::Write, 1, write)).await;
                assert_eq!(wrote.unwrap(), 1);
            }
        }));
    });
    run(&mut shard);
    for n in 0..150_000 {
        peer.write_all(b"?").unwrap();
        events(&mut shard);
        run(&mut shard);
        let answered = peer.read(&mut [0; 8]);
        assert!(matches!(answered, Ok(1)), "request {n}: {answered:?}");
    }
    drop(peer);
    wait(&mut shard);
}

#[test]
fn a_half_close_is_seen_and_stays() {
    let mesh = mesh(1);
    let mut shard = shard(&mesh, 0);
    let (socket, mut peer) = pair(&mesh);
    socket.registration.bind_now().unwrap();
    peer.write_all(b"end").unwrap();
    peer.shutdown(std::net::Shutdown::Write).unwrap();
    events(&mut shard);
    let mut buf = [0; 8];
    for expected in [3, 0, 0] {
        let poll = socket.poll_read(&mut noop(), &mut buf);
        assert!(matches!(poll, Poll::Ready(Ok(n)) if n == expected), "{poll:?}");
    }
    let event = socket.registration.poll_ready(&mut noop(), Direction::Read);
    assert!(matches!(event, Poll::Ready(Ok(event)) if event.ready.is_read_closed()));
    drop(shard);
}

/// Closed, and yet it would block: as a file may answer that is no socket. It must not be tried for ever.
#[test]
fn a_closed_direction_that_blocks_is_tried_once_a_poll() {
    let mesh = mesh(1);
    let mut shard = shard(&mesh, 0);
    let (socket, peer) = pair(&mesh);
    socket.registration.bind_now().unwrap();
    drop(peer);
    events(&mut shard);
    let (wakes, waker) = counting();
    let tries = Cell::new(0);
    let blocks = || {
        tries.set(tries.get() + 1);
        Err::<(), _>(io::ErrorKind::WouldBlock.into())
    };
    let poll = socket.registration.poll_io(&mut Context::from_waker(&waker), Direction::Read, blocks);
    assert!(poll.is_pending() && tries.get() == 1, "{} tries", tries.get());
    let mut future = Box::pin(socket.registration.async_io(Interest::READABLE, blocks));
    assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!((tries.get(), wakes.count()), (2, 0));
    drop(future);
    drop(shard);
}

/// The pipe's other end goes: the kernel says that it hung up, and not that there is something to read.
#[test]
fn a_hangup_alone_ends_a_wait() {
    let mesh = mesh(1);
    let mut shard = shard(&mesh, 0);
    let (writer, reader) = mio::unix::pipe::new().unwrap();
    let registration = Registration::new(&mesh, reader.as_raw_fd(), Interest::READABLE);
    let (wakes, waker) = counting();
    let mut cx = Context::from_waker(&waker);
    let mut future = Box::pin(registration.async_io(Interest::READABLE, || (&reader).read(&mut [0; 8])));
    assert!(future.as_mut().poll(&mut cx).is_pending());
    drop(writer);
    events(&mut shard);
    assert_eq!(wakes.count(), 1);
    assert!(matches!(future.as_mut().poll(&mut cx), Poll::Ready(Ok(0))));
    drop(future);
    drop(shard);
}

#[test]
fn a_refused_connection_is_an_event() {
    let mesh = mesh(1);
    let mut shard = shard(&mesh, 0);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let stream = mio::net::TcpStream::connect(port).unwrap();
    let registration = Registration::new(&mesh, stream.as_raw_fd(), BOTH);
    let (wakes, waker) = counting();
    let mut cx = Context::from_waker(&waker);
    shard.enter(|_| assert!(registration.poll_ready(&mut cx, Direction::Write).is_pending()));
    shard.driver().wait(None);
    assert_eq!(wakes.count(), 1);
    let Poll::Ready(Ok(event)) = registration.poll_ready(&mut cx, Direction::Write) else {
        panic!("not ready")
    };
    assert!(event.ready.is_write_closed());
    assert!(registration.try_io(Interest::ERROR, || Ok(())).is_ok());
    assert_eq!(stream.take_error().unwrap().map(|e| e.kind()), Some(io::ErrorKind::ConnectionRefused));
    drop(registration);
    drop(shard);
}

/// Its event has been taken from the kernel when the registration is dropped by the wake that comes before it.
#[test]
fn an_event_for_a_dropped_registration_reaches_nobody() {
    struct Dropper(std::sync::Mutex<Vec<Socket>>);
    impl std::task::Wake for Dropper {
        fn wake(self: Arc<Self>) {
            self.0.lock().unwrap().clear();
        }
    }
    let mesh = mesh(1);
    let mut shard = shard(&mesh, 0);
    let (wakes, waker) = counting();
    let mut peers = Vec::new();
    let mut sockets = Vec::new();
    shard.enter(|_| {
        for _ in 0..8 {
            let (socket, peer) = pair(&mesh);
            assert!(socket.poll_read(&mut Context::from_waker(&waker), &mut [0; 8]).is_pending());
            sockets.push(socket);
            peers.push(peer);
        }
    });
    // What was writable at once is no longer news.
    events(&mut shard);
    let first = sockets.remove(0);
    let dropper = Arc::new(Dropper(std::sync::Mutex::new(sockets)));
    let waker = Waker::from(dropper);
    shard.enter(|_| {
        assert!(first.poll_read(&mut Context::from_waker(&waker), &mut [0; 8]).is_pending());
    });
    for peer in &mut peers {
        peer.write_all(b"x").unwrap();
    }
    shard.park(|| false);
    assert_eq!(wakes.count(), 0);
    // The places are given out again, and owe nothing to what happened at them before.
    events(&mut shard);
    for _ in 0..8 {
        let (socket, _peer) = pair(&mesh);
        socket.registration.bind_now().unwrap();
        assert!(!socket.is_ready(Interest::READABLE));
    }
    drop(first);
    drop(shard);
}

/// A file closed behind the registration's back goes on sending events through its duplicate.
#[test]
fn a_late_event_of_a_duplicate_reaches_nobody() {
    let mesh = mesh(1);
    let mut shard = shard(&mesh, 0);
    let (socket, mut peer) = pair(&mesh);
    socket.registration.bind_now().unwrap();
    events(&mut shard);
    let duplicate = socket.stream.try_clone().unwrap();
    let Socket { registration, stream } = socket;
    drop(stream);
    drop(registration);
    events(&mut shard);
    let (next, _peer) = pair(&mesh);
    next.registration.bind_now().unwrap();
    peer.write_all(b"x").unwrap();
    assert!(events(&mut shard) > 0);
    assert!(!next.is_ready(Interest::READABLE));
    drop((duplicate, next));
    drop(shard);
}

/// However often its place was used again meanwhile.
#[test]
fn a_late_event_of_a_duplicate_reaches_nobody_when_the_generations_come_round() {
    let mesh = mesh(1);
    let mut shard = shard(&mesh, 0);
    let use_once = |shard: &mut Shard| {
        let (socket, _peer) = pair(&mesh);
        socket.registration.bind_now().unwrap();
        drop(socket);
        events(shard);
    };
    let (Socket { registration, stream }, peer) = pair(&mesh);
    registration.bind_now().unwrap();
    let place = || mesh.remotes()[0].registry().unwrap().chunks().flatten().next().unwrap();
    let duplicate = stream.try_clone().unwrap();
    drop(stream);
    drop(registration);
    events(&mut shard);
    assert_eq!(place().generation.load(Relaxed), 1, "it was there");
    place().generation.store(u16::MAX, Relaxed);
    use_once(&mut shard);
    let (next, _peer) = pair(&mesh);
    next.registration.bind_now().unwrap();
    drop(peer);
    assert!(events(&mut shard) > 0);
    assert!(!next.is_ready(Interest::READABLE));
    drop((duplicate, next));
    drop(shard);
}

#[test]
fn many_wait_for_one() {
    let mesh = mesh(1);
    let mut shard = shard(&mesh, 0);
    let (socket, mut peer) = pair(&mesh);
    let socket = Rc::new(socket);
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let socket = socket.clone();
            shard.enter(|local| {
                spawn_local(local, async move {
                    socket.registration.readiness(Interest::READABLE).await.unwrap().ready
                })
            })
        })
        .collect();
    // One that gives up leaves the others alone.
    {
        let mut given_up = Box::pin(socket.registration.readiness(Interest::READABLE));
        assert!(given_up.as_mut().poll(&mut noop()).is_pending());
    }
    run(&mut shard);
    events(&mut shard);
    run(&mut shard);
    assert!(tasks.iter().all(|task| !task.is_finished()));
    peer.write_all(b"x").unwrap();
    wait(&mut shard);
    assert!(tasks.iter().all(|task| task.is_finished()));
    drop(tasks);
    drop(socket);
    drop(shard);
}

#[test]
fn ten_thousand_come_and_go() {
    let mesh = mesh(1);
    let mut shard = shard(&mesh, 0);
    let files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let (socket, _peer) = pair(&mesh);
    let before = files();
    for round in 0..10_000 {
        let registration = Registration::new(&mesh, socket.stream.as_raw_fd(), BOTH);
        registration.bind_now().unwrap();
        drop(registration);
        if round % 100 == 99 {
            events(&mut shard);
        }
    }
    // Other tests open files meanwhile, but not as many.
    assert!(files() < before + 1_000);
    let chunks = mesh.remotes()[0].registry().unwrap().chunks().count();
    assert!(chunks <= 2, "{chunks} chunks: places are not used again");
    drop(socket);
    drop(shard);
}

#[test]
fn a_file_that_cant_be_watched_is_refused_when_bound() {
    let mesh = mesh(1);
    let shard = shard(&mesh, 0);
    let file = std::fs::File::open("/proc/self/exe").unwrap();
    let registration = Registration::new(&mesh, file.as_raw_fd(), Interest::READABLE);
    assert_eq!(registration.bind_now().unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    assert!(registration.home().is_none());
    drop(shard);
}

#[test]
fn other_threads_end_a_wait() {
    let mesh = mesh(1);
    let mut shard = shard(&mesh, 0);
    let unpark = shard.driver().unparker();
    thread::scope(|scope| {
        scope.spawn(move || unpark.unpark());
        assert_eq!(shard.driver().wait(None), 1);
    });
    // Sockets too that other threads add.
    let (socket, mut peer) = pair(&mesh);
    let (wakes, waker) = counting();
    thread::scope(|scope| {
        scope.spawn(|| {
            assert!(socket.poll_read(&mut Context::from_waker(&waker), &mut [0; 8]).is_pending());
            peer.write_all(b"x").unwrap();
        });
        while wakes.count() == 0 {
            shard.driver().wait(None);
        }
    });
    assert!(matches!(socket.poll_read(&mut noop(), &mut [0; 8]), Poll::Ready(Ok(1))));
    drop(socket);
    drop(shard);
}

/// What such a waker owns may be whoever owns the resource.
#[test]
fn a_waker_of_no_task_is_dropped_once_it_was_woken() {
    let mesh = mesh(1);
    let mut shard = shard(&mesh, 0);
    let (socket, mut peer) = pair(&mesh);
    let (wakes, waker) = counting();
    for round in 1..=3 {
        shard.enter(|_| {
            assert!(socket.poll_read(&mut Context::from_waker(&waker), &mut [0; 8]).is_pending());
        });
        assert_eq!(Arc::strong_count(&wakes), 3);
        peer.write_all(b"x").unwrap();
        events(&mut shard);
        assert_eq!((wakes.count(), Arc::strong_count(&wakes)), (round, 2));
        shard.enter(|_| {
            assert!(matches!(socket.poll_read(&mut noop(), &mut [0; 8]), Poll::Ready(Ok(1))));
        });
    }
    drop(socket);
    drop(shard);
}

#[test]
fn a_timer_below_a_millisecond_ends_a_wait() {
    let mut reactor = Reactor::new(16, 50).unwrap();
    // The kernel's own timeout would be a millisecond; that this is much sooner is for a benchmark to say.
    for after_us in [1, 50, 300, 1_500] {
        let after = Duration::from_micros(after_us);
        let start = Instant::now();
        let mut waits = 0;
        while start.elapsed() < after {
            reactor.wait(Some(after - start.elapsed().min(after)));
            waits += 1;
            assert!(waits < 100, "does not wait");
        }
    }
    // Left armed, it ends another wait at most.
    assert!(reactor.wait(Some(Duration::ZERO)) <= 1);
}

#[test]
fn more_events_than_a_batch_holds() {
    let mesh = mesh(1);
    let mut shard = shard(&mesh, 0);
    let sockets: Vec<_> = (0..40).map(|_| pair(&mesh)).collect();
    for (socket, _) in &sockets {
        socket.registration.bind_now().unwrap();
    }
    assert_eq!(events(&mut shard), 40);
    assert!(sockets.iter().all(|(socket, _)| socket.is_ready(Interest::WRITABLE)));
    drop(sockets);
    drop(shard);
}

#[test]
fn a_resource_follows_a_task_that_moved() {
    let mut config = Config::new(2);
    config.spin = Spin::Fixed(Duration::ZERO);
    config.steal = Reach::All;
    let mesh = Mesh::new(config, Clock::new());
    let (mut a, mut b) = (shard(&mesh, 0), shard(&mesh, 1));
    let (mut socket, mut peer) = pair(&mesh);
    let (left, left_behind) = counting();
    a.enter(|_| {
        let poll = socket.registration.poll_ready(&mut Context::from_waker(&left_behind), Direction::Read);
        assert!(poll.is_pending());
    });
    events(&mut a);
    let (wakes, waker) = counting();
    let mut homes = Vec::new();
    for _ in 0..6 {
        b.enter(|_| {
            socket.registration.follow();
            assert!(socket.poll_read(&mut Context::from_waker(&waker), &mut [0; 8]).is_pending());
        });
        homes.push(socket.registration.home().unwrap().id().0);
    }
    assert_eq!(homes, [0, 0, 0, 0, 1, 1]);
    // All who waited at the old place are told to wait at the new one.
    assert_eq!((left.count(), wakes.count()), (0, 0));
    events(&mut a);
    assert_eq!((left.count(), wakes.count()), (1, 1));
    peer.write_all(b"x").unwrap();
    events(&mut a);
    assert_eq!(wakes.count(), 1);
    events(&mut b);
    assert_eq!(wakes.count(), 2);
    drop(socket);
    drop(a);
    drop(b);
}

#[test]
fn after_the_reactor_nothing_waits() {
    let mesh = mesh(1);
    let shard = shard(&mesh, 0);
    let (socket, _peer) = pair(&mesh);
    let (wakes, waker) = counting();
    let mut cx = Context::from_waker(&waker);
    let mut buf = [0; 8];
    socket.registration.bind_now().unwrap();
    shard.enter(|_| assert!(socket.poll_read(&mut cx, &mut buf).is_pending()));
    let mut future = Box::pin(socket.registration.readiness(Interest::WRITABLE));
    assert!(future.as_mut().poll(&mut cx).is_pending());
    let (unbound, _peer) = pair(&mesh);
    drop(shard);
    assert_eq!(wakes.count(), 2);
    let text = "A Tokio 1.x context was found, but it is being shutdown.";
    let gone = |poll: Poll<io::Result<()>>| match poll {
        Poll::Ready(Err(e)) => e.kind() == io::ErrorKind::Other && e.to_string() == text,
        _ => false,
    };
    assert!(gone(socket.poll_read(&mut cx, &mut buf).map_ok(drop)));
    assert!(gone(future.as_mut().poll(&mut cx).map_ok(drop)));
    assert!(gone(unbound.poll_read(&mut cx, &mut buf).map_ok(drop)));
    assert!(gone(Poll::Ready(unbound.registration.bind_now())));
    drop(future);
    drop(waker);
    assert_eq!(Arc::strong_count(&wakes), 1, "a waker is left behind");
}

#[test]
fn the_last_shard_closes_the_reactors_and_lanes_of_all() {
    let mesh = mesh(2);
    let (first, last) = (shard(&mesh, 0), shard(&mesh, 1));
    let (socket, _peer) = pair(&mesh);
    let (wakes, waker) = counting();
    let mut cx = Context::from_waker(&waker);
    let mut buf = [0; 8];
    let mut sleep = Box::pin(Entry::new());
    first.enter(|local| {
        assert!(socket.poll_read(&mut cx, &mut buf).is_pending());
        let _ = sleep.as_mut().arm(local.remote().lane(), u64::MAX / 2, waker.clone());
    });
    drop(first);
    assert_eq!((wakes.count(), sleep.status()), (0, Status::Armed));
    drop(last);
    assert_eq!((wakes.count(), sleep.status()), (2, Status::Closed));
    assert!(matches!(socket.poll_read(&mut cx, &mut buf), Poll::Ready(Err(_))));
}

/// Nobody else would close them before all others end. What those that are gone left is closed by the last all the same.
#[test]
fn a_shard_that_a_panic_ends_closes_its_own() {
    fn panics_in(shard: Shard) {
        let ended = catch_unwind(AssertUnwindSafe(move || {
            let _ends = shard;
            resume_unwind(Box::new(()))
        }));
        assert!(ended.is_err());
    }
    let mesh = mesh(3);
    let shards = [0, 1, 2].map(|id| shard(&mesh, id));
    let (wakes, waker) = counting();
    let mut cx = Context::from_waker(&waker);
    let mut buf = [0; 8];
    let pairs = [0, 1].map(|_| pair(&mesh));
    for ((socket, _), shard) in pairs.iter().zip(&shards) {
        shard.enter(|_| assert!(socket.poll_read(&mut cx, &mut buf).is_pending()));
    }
    let [first, second, last] = shards;
    panics_in(first);
    assert_eq!(wakes.count(), 1);
    drop(second);
    assert_eq!(wakes.count(), 1);
    panics_in(last);
    assert_eq!(wakes.count(), 2);
    for (socket, _) in &pairs {
        assert!(matches!(socket.poll_read(&mut cx, &mut buf), Poll::Ready(Err(_))));
    }
}

/// How many polls a task takes for 300 operations, each of which ends like that.
fn polls_for(operation: impl Fn() -> io::Result<()> + 'static) -> usize {
    let mesh = mesh(1);
    let mut shard = shard(&mesh, 0);
    let (Socket { registration, stream }, _peer) = pair(&mesh);
    let polls = Rc::new(Cell::new(0));
    let task = {
        let polls = polls.clone();
        shard.enter(|local| {
            spawn_local(local, async move {
                let mut operations = 0;
                poll_fn(|cx| {
                    polls.set(polls.get() + 1);
                    while operations < 300 {
                        if registration.poll_io(cx, Direction::Write, &operation).is_pending() {
                            return Poll::Pending;
                        }
                        operations += 1;
                    }
                    Poll::Ready(())
                })
                .await;
            })
        })
    };
    run(&mut shard);
    assert!(task.is_finished());
    drop(stream);
    drop(shard);
    polls.get()
}

#[test]
fn operations_take_from_the_budget() {
    assert_eq!(polls_for(|| Ok(())), 3);
}

#[test]
fn operations_that_fail_take_from_the_budget() {
    assert_eq!(polls_for(|| Err(io::ErrorKind::ConnectionReset.into())), 3);
}

/// Nobody can drop it.
struct Bomb;

impl std::task::Wake for Bomb {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Bomb {
    fn drop(&mut self) {
        std::panic::resume_unwind(Box::new("a waker"));
    }
}

#[test]
fn a_waker_whose_drop_panics_harms_no_other() {
    let mesh = mesh(1);
    let mut shard = shard(&mesh, 0);
    let mut buf = [0; 8];
    let mut bombed = |socket: &Socket| {
        let bomb = Waker::from(Arc::new(Bomb));
        let mut poll = |direction| {
            socket
                .registration
                .poll_io(&mut Context::from_waker(&bomb), direction, || (&socket.stream).read(&mut buf))
        };
        shard.enter(|_| {
            socket.registration.bind_now().unwrap();
            assert!(poll(Direction::Read).is_pending() && poll(Direction::Write).is_pending());
        });
        // The last one is the reactor's to drop.
        drop(bomb);
    };
    let ([(first, _peer), (second, _other), (third, _another)], (wakes, waker)) =
        ([(); 3].map(|()| pair(&mesh)), counting());
    bombed(&first);
    bombed(&second);
    shard.enter(|_| assert!(third.poll_read(&mut Context::from_waker(&waker), &mut [0; 8]).is_pending()));
    thread::spawn(move || drop(first)).join().unwrap();
    events(&mut shard);
    drop(shard);
    assert_eq!(wakes.count(), 1, "nobody says that the reactor is gone");
}
