//! What is `Send`, `Sync`, `Unpin`, `UnwindSafe` and `RefUnwindSafe`. Programs rely on it without naming these types.
//!
//! Whatever Tokio's types are, these are too, and what has a `Drop` there has one here. Channels, pipes in memory and
//! files survive a panic here, and there not. All of it is decided when this file is compiled.

use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, RawFd};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use corelane::*;

/// `Send` and not `Sync`.
type Half = Cell<u8>;
/// Neither.
type None = Rc<u8>;
/// Not `UnwindSafe`.
type Exclusive = &'static mut u8;

/// A file, for types that take no other.
struct Fd<T>(PhantomData<T>);

impl<T> AsRawFd for Fd<T> {
    fn as_raw_fd(&self) -> RawFd {
        unreachable!()
    }
}

/// A future that holds something.
struct Holds<T>(PhantomData<T>);

impl<T> Future for Holds<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        unreachable!()
    }
}

/// Says whether a bound holds: the inherent constant does if it applies, else the trait's.
macro_rules! holds {
    ($ty:ty: $bound:path) => {{
        struct Is<T: ?Sized>(PhantomData<T>);
        #[allow(dead_code, reason = "which of the two is taken is the answer")]
        trait Otherwise {
            const HOLDS: bool = false;
        }
        impl<T: ?Sized> Otherwise for Is<T> {}
        #[allow(dead_code, reason = "which of the two is taken is the answer")]
        impl<T: ?Sized + $bound> Is<T> {
            const HOLDS: bool = true;
        }
        Is::<$ty>::HOLDS
    }};
}

macro_rules! expected {
    (+) => {
        true
    };
    (-) => {
        false
    };
}

/// Rows of five signs, and the types they are true of.
macro_rules! table {
    ($($send:tt $sync:tt $unpin:tt $unwind:tt $ref_unwind:tt: $($ty:ty),*;)*) => {
        $(table!(@row [$send $sync $unpin $unwind $ref_unwind] $($ty),*);)*
    };
    (@row $signs:tt $($ty:ty),*) => {
        $(table!(@type $signs $ty);)*
    };
    (@type [$send:tt $sync:tt $unpin:tt $unwind:tt $ref_unwind:tt] $ty:ty) => {
        const _: () = assert!(holds!($ty: Send) == expected!($send), concat!("Send: ", stringify!($ty)));
        const _: () = assert!(holds!($ty: Sync) == expected!($sync), concat!("Sync: ", stringify!($ty)));
        const _: () = assert!(holds!($ty: Unpin) == expected!($unpin), concat!("Unpin: ", stringify!($ty)));
        const _: () = assert!(holds!($ty: UnwindSafe) == expected!($unwind), concat!("UnwindSafe: ", stringify!($ty)));
        const _: () = assert!(
            holds!($ty: RefUnwindSafe) == expected!($ref_unwind),
            concat!("RefUnwindSafe: ", stringify!($ty))
        );
    };
}

// Send, Sync, Unpin, UnwindSafe, RefUnwindSafe
table! {
    + + + + +: fs::DirBuilder, fs::DirEntry, fs::File, fs::FileTimes, fs::OpenOptions;
    + + + - -: fs::ReadDir;

    + + + + +: io::unix::TryIoError, io::DuplexStream, io::Empty, io::Interest, io::Ready, io::Repeat,
        io::SimplexStream, io::Sink, io::Stderr, io::Stdin, io::Stdout, io::BufReader<u8>,
        io::BufStream<u8>, io::BufWriter<u8>, io::Chain<u8, u8>, io::Join<u8, u8>, io::Lines<u8>,
        io::ReadHalf<u8>, io::ReadHalf<Half>, io::ReadHalf<Exclusive>, io::Split<u8>, io::Take<u8>,
        io::WriteHalf<u8>, io::WriteHalf<Half>, io::WriteHalf<Exclusive>;
    + + + - +: io::ReadBuf<'static>, io::BufReader<Exclusive>, io::BufStream<Exclusive>,
        io::BufWriter<Exclusive>, io::Chain<Exclusive, u8>, io::Join<Exclusive, u8>,
        io::Lines<Exclusive>, io::Split<Exclusive>, io::Take<Exclusive>;
    + + + - -: io::unix::AsyncFd<Fd<u8>>, io::unix::AsyncFd<Fd<Exclusive>>,
        io::unix::AsyncFdReadyGuard<'static, Fd<u8>>,
        io::unix::AsyncFdReadyGuard<'static, Fd<Exclusive>>,
        io::unix::AsyncFdReadyMutGuard<'static, Fd<u8>>,
        io::unix::AsyncFdReadyMutGuard<'static, Fd<Exclusive>>, io::unix::AsyncFdRegisterError<Fd<u8>>,
        io::unix::AsyncFdRegisterError<Fd<Exclusive>>;
    + - + + -: io::BufReader<Half>, io::BufStream<Half>, io::BufWriter<Half>, io::Chain<Half, u8>,
        io::Join<Half, u8>, io::Lines<Half>, io::Split<Half>, io::Take<Half>;
    + - + - -: io::unix::AsyncFd<Fd<Half>>, io::unix::AsyncFdReadyMutGuard<'static, Fd<Half>>,
        io::unix::AsyncFdRegisterError<Fd<Half>>;
    - - + + +: io::BufReader<None>, io::BufStream<None>, io::BufWriter<None>, io::Chain<None, u8>,
        io::Join<None, u8>, io::Lines<None>, io::ReadHalf<None>, io::Split<None>, io::Take<None>,
        io::WriteHalf<None>;
    - - + - -: io::unix::AsyncFd<Fd<None>>, io::unix::AsyncFdReadyGuard<'static, Fd<Half>>,
        io::unix::AsyncFdReadyGuard<'static, Fd<None>>,
        io::unix::AsyncFdReadyMutGuard<'static, Fd<None>>, io::unix::AsyncFdRegisterError<Fd<None>>;

    + + + + +: net::TcpListener, net::TcpSocket, net::TcpStream, net::UdpSocket, net::UnixDatagram,
        net::UnixListener, net::UnixSocket, net::UnixStream, net::tcp::OwnedReadHalf,
        net::tcp::OwnedWriteHalf, net::tcp::ReadHalf<'static>, net::tcp::WriteHalf<'static>,
        net::tcp::ReuniteError, net::unix::OwnedReadHalf, net::unix::OwnedWriteHalf,
        net::unix::ReadHalf<'static>, net::unix::WriteHalf<'static>, net::unix::ReuniteError,
        net::unix::SocketAddr, net::unix::UCred, net::unix::pipe::OpenOptions, net::unix::pipe::Receiver,
        net::unix::pipe::Sender;

    + + + + +: process::ChildStderr, process::ChildStdin, process::ChildStdout;
    + + + - -: process::Child, process::Command;

    + + + + +: runtime::Handle, runtime::Id, runtime::Runtime, runtime::RuntimeFlavor,
        runtime::RuntimeMetrics, runtime::TryCurrentError;
    + + + - -: runtime::Builder;
    - + + - -: runtime::EnterGuard<'static>;
    - - + + +: runtime::LocalOptions, runtime::LocalRuntime;

    + + + + +: signal::unix::SignalKind;
    + + + - -: signal::unix::Signal;

    + + + + +: sync::AcquireError, sync::TryAcquireError, sync::TryLockError, sync::BarrierWaitResult,
        sync::Notify, sync::broadcast::error::RecvError, sync::broadcast::error::TryRecvError,
        sync::mpsc::error::TryRecvError, sync::oneshot::error::RecvError,
        sync::oneshot::error::TryRecvError, sync::watch::error::RecvError, sync::SetOnceError<u8>,
        sync::SetError<u8>, sync::broadcast::Sender<u8>, sync::broadcast::Sender<Half>,
        sync::broadcast::Sender<Exclusive>, sync::broadcast::Receiver<u8>,
        sync::broadcast::Receiver<Half>, sync::broadcast::Receiver<Exclusive>,
        sync::broadcast::WeakSender<u8>, sync::broadcast::WeakSender<Half>,
        sync::broadcast::WeakSender<Exclusive>, sync::broadcast::error::SendError<u8>,
        sync::mpsc::Sender<u8>, sync::mpsc::Sender<Half>, sync::mpsc::Sender<Exclusive>,
        sync::mpsc::Receiver<u8>, sync::mpsc::Receiver<Half>, sync::mpsc::Receiver<Exclusive>,
        sync::mpsc::WeakSender<u8>, sync::mpsc::WeakSender<Half>, sync::mpsc::WeakSender<Exclusive>,
        sync::mpsc::Permit<'static, u8>, sync::mpsc::Permit<'static, Half>,
        sync::mpsc::Permit<'static, Exclusive>, sync::mpsc::OwnedPermit<u8>,
        sync::mpsc::OwnedPermit<Half>, sync::mpsc::OwnedPermit<Exclusive>,
        sync::mpsc::PermitIterator<'static, u8>, sync::mpsc::PermitIterator<'static, Half>,
        sync::mpsc::PermitIterator<'static, Exclusive>, sync::mpsc::UnboundedSender<u8>,
        sync::mpsc::UnboundedSender<Half>, sync::mpsc::UnboundedSender<Exclusive>,
        sync::mpsc::UnboundedReceiver<u8>, sync::mpsc::UnboundedReceiver<Half>,
        sync::mpsc::UnboundedReceiver<Exclusive>, sync::mpsc::WeakUnboundedSender<u8>,
        sync::mpsc::WeakUnboundedSender<Half>, sync::mpsc::WeakUnboundedSender<Exclusive>,
        sync::mpsc::error::SendError<u8>, sync::mpsc::error::TrySendError<u8>,
        sync::mpsc::error::SendTimeoutError<u8>, sync::watch::Sender<u8>, sync::watch::Sender<Exclusive>,
        sync::watch::Receiver<u8>, sync::watch::Receiver<Exclusive>, sync::watch::error::SendError<u8>;
    + + + + -: sync::SetOnce<u8>;
    + + + - +: sync::SetOnceError<Exclusive>, sync::SetError<Exclusive>,
        sync::broadcast::error::SendError<Exclusive>, sync::mpsc::error::SendError<Exclusive>,
        sync::mpsc::error::TrySendError<Exclusive>, sync::mpsc::error::SendTimeoutError<Exclusive>,
        sync::watch::error::SendError<Exclusive>;
    + + + - -: sync::Barrier, sync::Semaphore, sync::SemaphorePermit<'static>,
        sync::OwnedSemaphorePermit, sync::Mutex<u8>, sync::Mutex<Half>, sync::Mutex<Exclusive>,
        sync::MutexGuard<'static, u8>, sync::MutexGuard<'static, Exclusive>,
        sync::MappedMutexGuard<'static, u8>, sync::MappedMutexGuard<'static, Exclusive>,
        sync::OwnedMutexGuard<u8>, sync::OwnedMutexGuard<Exclusive>, sync::OwnedMappedMutexGuard<u8, u8>,
        sync::OwnedMappedMutexGuard<Exclusive, u8>, sync::OwnedMappedMutexGuard<u8, Exclusive>,
        sync::RwLock<u8>, sync::RwLock<Exclusive>, sync::RwLockReadGuard<'static, u8>,
        sync::RwLockReadGuard<'static, Exclusive>, sync::RwLockWriteGuard<'static, u8>,
        sync::RwLockWriteGuard<'static, Exclusive>, sync::RwLockMappedWriteGuard<'static, u8>,
        sync::RwLockMappedWriteGuard<'static, Exclusive>, sync::OwnedRwLockReadGuard<u8>,
        sync::OwnedRwLockReadGuard<Exclusive>, sync::OwnedRwLockReadGuard<u8, u8>,
        sync::OwnedRwLockReadGuard<u8, Exclusive>, sync::OwnedRwLockWriteGuard<u8>,
        sync::OwnedRwLockWriteGuard<Exclusive>, sync::OwnedRwLockMappedWriteGuard<u8>,
        sync::OwnedRwLockMappedWriteGuard<Exclusive>, sync::OwnedRwLockMappedWriteGuard<u8, u8>,
        sync::OwnedRwLockMappedWriteGuard<u8, Exclusive>, sync::OnceCell<u8>, sync::OnceCell<Exclusive>,
        sync::SetOnce<Exclusive>, sync::oneshot::Sender<u8>, sync::oneshot::Sender<Half>,
        sync::oneshot::Sender<Exclusive>, sync::oneshot::Receiver<u8>, sync::oneshot::Receiver<Half>,
        sync::oneshot::Receiver<Exclusive>;
    + + - - -: sync::futures::Notified<'static>, sync::futures::OwnedNotified;
    + - + + -: sync::SetOnce<Half>, sync::SetOnceError<Half>, sync::SetError<Half>,
        sync::broadcast::error::SendError<Half>, sync::mpsc::error::SendError<Half>,
        sync::mpsc::error::TrySendError<Half>, sync::mpsc::error::SendTimeoutError<Half>,
        sync::watch::error::SendError<Half>;
    + - + - -: sync::MutexGuard<'static, Half>, sync::MappedMutexGuard<'static, Half>,
        sync::OwnedMutexGuard<Half>, sync::OwnedMappedMutexGuard<Half, u8>,
        sync::OwnedMappedMutexGuard<u8, Half>, sync::RwLock<Half>, sync::OnceCell<Half>;
    - + + + +: sync::watch::Ref<'static, u8>, sync::watch::Ref<'static, Exclusive>;
    - - + + +: sync::SetOnceError<None>, sync::SetError<None>, sync::broadcast::Sender<None>,
        sync::broadcast::Receiver<None>, sync::broadcast::WeakSender<None>,
        sync::broadcast::error::SendError<None>, sync::mpsc::Sender<None>, sync::mpsc::Receiver<None>,
        sync::mpsc::WeakSender<None>, sync::mpsc::Permit<'static, None>, sync::mpsc::OwnedPermit<None>,
        sync::mpsc::PermitIterator<'static, None>, sync::mpsc::UnboundedSender<None>,
        sync::mpsc::UnboundedReceiver<None>, sync::mpsc::WeakUnboundedSender<None>,
        sync::mpsc::error::SendError<None>, sync::mpsc::error::TrySendError<None>,
        sync::mpsc::error::SendTimeoutError<None>, sync::watch::Sender<Half>, sync::watch::Sender<None>,
        sync::watch::Receiver<Half>, sync::watch::Receiver<None>, sync::watch::Ref<'static, None>,
        sync::watch::error::SendError<None>;
    - - + + -: sync::SetOnce<None>;
    - - + - -: sync::Mutex<None>, sync::MutexGuard<'static, None>, sync::MappedMutexGuard<'static, None>,
        sync::OwnedMutexGuard<None>, sync::OwnedMappedMutexGuard<None, u8>,
        sync::OwnedMappedMutexGuard<u8, None>, sync::RwLock<None>, sync::RwLockReadGuard<'static, Half>,
        sync::RwLockReadGuard<'static, None>, sync::RwLockWriteGuard<'static, Half>,
        sync::RwLockWriteGuard<'static, None>, sync::RwLockMappedWriteGuard<'static, Half>,
        sync::RwLockMappedWriteGuard<'static, None>, sync::OwnedRwLockReadGuard<Half>,
        sync::OwnedRwLockReadGuard<None>, sync::OwnedRwLockReadGuard<u8, Half>,
        sync::OwnedRwLockReadGuard<u8, None>, sync::OwnedRwLockWriteGuard<Half>,
        sync::OwnedRwLockWriteGuard<None>, sync::OwnedRwLockMappedWriteGuard<Half>,
        sync::OwnedRwLockMappedWriteGuard<None>, sync::OwnedRwLockMappedWriteGuard<u8, Half>,
        sync::OwnedRwLockMappedWriteGuard<u8, None>, sync::OnceCell<None>, sync::oneshot::Sender<None>,
        sync::oneshot::Receiver<None>, sync::watch::Ref<'static, Half>;

    + + + + +: task::AbortHandle, task::Id, task::JoinHandle<u8>, task::JoinHandle<Half>,
        task::JoinHandle<Exclusive>, task::LocalKey<u8>, task::LocalKey<Half>, task::LocalKey<None>,
        task::LocalKey<Exclusive>, task::coop::Unconstrained<u8>, task::coop::Coop<Holds<u8>>;
    + + + - +: task::coop::Unconstrained<Exclusive>, task::coop::Coop<Holds<Exclusive>>;
    + + + - -: task::JoinError, task::JoinSet<u8>, task::JoinSet<Half>, task::JoinSet<Exclusive>;
    + + - + +: task::futures::TaskLocalFuture<u8, u8>;
    + + - - +: task::futures::TaskLocalFuture<Exclusive, u8>,
        task::futures::TaskLocalFuture<u8, Exclusive>;
    + - + + -: task::coop::Unconstrained<Half>, task::coop::Coop<Holds<Half>>;
    + - - + -: task::futures::TaskLocalFuture<Half, u8>, task::futures::TaskLocalFuture<u8, Half>;
    - - + + +: task::JoinHandle<None>, task::coop::Unconstrained<None>, task::coop::Coop<Holds<None>>;
    - - + + -: task::coop::RestoreOnPending;
    - - + - -: task::LocalEnterGuard, task::LocalSet, task::JoinSet<None>;
    - - - + +: task::futures::TaskLocalFuture<None, u8>, task::futures::TaskLocalFuture<u8, None>;

    + + + + +: time::Instant, time::MissedTickBehavior, time::error::Elapsed, time::error::Error;
    + + + - -: time::Interval;
    + + - - -: time::Sleep, time::Timeout<u8>, time::Timeout<Exclusive>;
    + - - - -: time::Timeout<Half>;
    - - - - -: time::Timeout<None>;

    - - + + +: local::mpsc::Sender<u8>, local::mpsc::Sender<Half>, local::mpsc::Sender<None>,
        local::mpsc::Sender<Exclusive>, local::mpsc::Receiver<u8>, local::mpsc::Receiver<Half>,
        local::mpsc::Receiver<None>, local::mpsc::Receiver<Exclusive>, local::mpsc::WeakSender<u8>,
        local::mpsc::WeakSender<Half>, local::mpsc::WeakSender<None>, local::mpsc::WeakSender<Exclusive>,
        local::mpsc::Permit<'static, u8>, local::mpsc::Permit<'static, Half>,
        local::mpsc::Permit<'static, None>, local::mpsc::Permit<'static, Exclusive>,
        local::watch::Sender<u8>, local::watch::Sender<Half>, local::watch::Sender<None>,
        local::watch::Sender<Exclusive>, local::watch::Receiver<u8>, local::watch::Receiver<Half>,
        local::watch::Receiver<None>, local::watch::Receiver<Exclusive>;
    - - + - -: local::Notify, local::Semaphore, local::SemaphorePermit<'static>, local::Mutex<u8>,
        local::Mutex<Half>, local::Mutex<None>, local::Mutex<Exclusive>, local::MutexGuard<'static, u8>,
        local::MutexGuard<'static, Half>, local::MutexGuard<'static, None>,
        local::MutexGuard<'static, Exclusive>, local::RwLock<u8>, local::RwLock<Half>,
        local::RwLock<None>, local::RwLock<Exclusive>, local::RwLockReadGuard<'static, u8>,
        local::RwLockReadGuard<'static, Half>, local::RwLockReadGuard<'static, None>,
        local::RwLockReadGuard<'static, Exclusive>, local::RwLockWriteGuard<'static, u8>,
        local::RwLockWriteGuard<'static, Half>, local::RwLockWriteGuard<'static, None>,
        local::RwLockWriteGuard<'static, Exclusive>, local::oneshot::Sender<u8>,
        local::oneshot::Sender<Half>, local::oneshot::Sender<None>, local::oneshot::Sender<Exclusive>,
        local::oneshot::Receiver<u8>, local::oneshot::Receiver<Half>, local::oneshot::Receiver<None>,
        local::oneshot::Receiver<Exclusive>, local::watch::Ref<'static, u8>,
        local::watch::Ref<'static, Half>, local::watch::Ref<'static, None>,
        local::watch::Ref<'static, Exclusive>;
    - - - - -: local::Notified<'static>;

    + + + + +: shard::ShardId, shard::CallError;
    + + + - -: shard::Sharded<u8>, shard::Sharded<Half>, shard::Sharded<None>, shard::Sharded<Exclusive>;
}

/// Takes a future that both traits apply to. If it were `Unpin`, callers would come to rely on that: then two impls apply, and
/// the compiler does not know which one is meant.
trait NotUnpin<Which> {
    fn not_unpin(&self) {}
}
struct ItIs;
impl<F: ?Sized> NotUnpin<()> for F {}
impl<F: ?Sized + Unpin> NotUnpin<ItIs> for F {}

fn send_and_sync<F: Future + Send + Sync>(_: &F) {}
fn send<F: Future + Send>(_: &F) {}

/// Futures of `async fn`s have no names. This makes them, and is never called.
macro_rules! futures {
    ($($name:ident($($arg:ident: $ty:ty),*) $check:ident {$($future:expr;)*})*) => {$(
        #[allow(unused_mut, reason = "some futures borrow what they do not change")]
        const _: fn($($ty),*) = |$(mut $arg: $ty),*| {$(
            let future = $future;
            $check(&future);
            <_ as NotUnpin<_>>::not_unpin(&future);
            drop(future);
        )*};
    )*};
}

futures! {
    paths(p: &'static str, o: fs::OpenOptions, d: fs::DirBuilder) send_and_sync {
        fs::canonicalize(p); fs::copy(p, p); fs::create_dir(p); fs::create_dir_all(p); fs::hard_link(p, p);
        fs::metadata(p); fs::read(p); fs::read_dir(p); fs::read_link(p); fs::read_to_string(p); fs::remove_dir(p);
        fs::remove_dir_all(p); fs::remove_file(p); fs::rename(p, p); fs::symlink(p, p); fs::symlink_metadata(p);
        fs::try_exists(p); fs::write(p, vec![0]); o.open(p); d.create(p);
        fs::File::open(p); fs::File::create(p); fs::File::create_new(p);
    }
    files(f: fs::File, d: fs::ReadDir, e: fs::DirEntry, p: std::fs::Permissions, t: fs::FileTimes) send_and_sync {
        d.next_entry(); e.metadata(); e.file_type(); f.sync_all(); f.sync_data(); f.set_len(1); f.metadata();
        f.try_clone(); f.set_permissions(p); f.set_times(t); f.set_modified(std::time::UNIX_EPOCH); f.into_std();
    }
    tcp(
        l: net::TcpListener,
        s: net::TcpStream,
        o: net::TcpSocket,
        h: net::tcp::OwnedReadHalf,
        b: &'static mut [u8]
    ) send_and_sync {
        net::TcpListener::bind("a:1"); net::TcpListener::bind_sharded("a:1"); net::TcpStream::connect("a:1");
        net::lookup_host("a:1"); l.accept(); s.peek(b); s.readable(); s.writable(); s.ready(io::Interest::READABLE);
        h.peek(b); h.readable(); h.ready(io::Interest::READABLE); o.connect(([0, 0, 0, 0], 1).into());
    }
    udp(s: net::UdpSocket, b: &'static mut [u8], v: Vec<u8>) send_and_sync {
        net::UdpSocket::bind("a:1"); s.connect("a:1"); s.peek(b); s.peek_from(b); s.peek_sender(); s.readable();
        s.writable(); s.ready(io::Interest::READABLE); s.recv(b); s.recv_from(b); s.recv_buf(&mut v);
        s.recv_buf_from(&mut v); s.send(b); s.send_to(b, "a:1");
    }
    unix(d: net::UnixDatagram, l: net::UnixListener, s: net::UnixStream, b: &'static mut [u8]) send_and_sync {
        d.readable(); d.writable(); d.ready(io::Interest::READABLE); d.recv(b); d.recv_from(b); d.send(b);
        d.send_to(b, "a"); l.accept(); net::UnixStream::connect("a"); s.readable(); s.writable();
        s.ready(io::Interest::READABLE);
    }
    pipes(r: net::unix::pipe::Receiver, w: net::unix::pipe::Sender) send_and_sync {
        r.readable(); r.ready(io::Interest::READABLE); w.writable(); w.ready(io::Interest::WRITABLE);
    }
    watched_files(f: io::unix::AsyncFd<Fd<u8>>) send_and_sync {
        f.readable(); f.readable_mut(); f.writable(); f.writable_mut(); f.ready(io::Interest::READABLE);
    }
    watched_files_that_are_not_shared(f: io::unix::AsyncFd<Fd<Half>>) send {
        f.readable_mut(); f.writable_mut();
    }
    children(c: process::Child, o: process::Command, s: signal::unix::Signal) send_and_sync {
        c.wait(); c.kill(); c.wait_with_output(); o.status(); o.output(); signal::ctrl_c(); s.recv();
    }
    locks(m: sync::Mutex<Half>, l: sync::RwLock<u8>, s: sync::Semaphore, b: sync::Barrier) send_and_sync {
        m.lock(); std::sync::Arc::new(m).lock_owned(); l.read(); l.write(); std::sync::Arc::new(l).read_owned();
        s.acquire(); s.acquire_many(2); std::sync::Arc::new(s).acquire_owned(); b.wait();
    }
    cells(c: sync::OnceCell<u8>, o: sync::SetOnce<u8>, n: sync::Notify) send_and_sync {
        c.get_or_init(std::future::pending); c.get_or_try_init(std::future::pending::<Result<u8, ()>>); o.wait();
        n.notified(); std::sync::Arc::new(n).notified_owned();
    }
    channels(t: sync::mpsc::Sender<Half>, r: sync::mpsc::Receiver<Half>, u: sync::mpsc::UnboundedReceiver<Half>) send_and_sync {
        t.closed(); t.reserve(); t.reserve_many(2); t.clone().reserve_owned(); r.recv();
        u.recv();
    }
    with_values(
        t: sync::mpsc::Sender<Half>,
        r: sync::mpsc::Receiver<Half>,
        n: Half,
        v: Vec<Half>,
        s: task::JoinSet<Half>
    ) send {
        t.send(n.clone()); t.send_timeout(n, Duration::ZERO); r.recv_many(&mut v, 2); s.join_all();
    }
    other_channels(
        o: sync::oneshot::Sender<Half>,
        b: sync::broadcast::Receiver<Half>,
        w: sync::watch::Receiver<u8>,
        t: sync::watch::Sender<u8>
    ) send_and_sync {
        o.closed(); b.recv(); w.changed(); t.closed();
    }
    sets(s: task::JoinSet<Half>) send_and_sync {
        s.join_next(); s.join_next_with_id(); s.shutdown();
    }
    tasks() send_and_sync {
        task::yield_now(); task::consume_budget(); time::advance(Duration::ZERO); time::sleep(Duration::ZERO);
        time::sleep_until(time::Instant::now()); time::timeout(Duration::ZERO, std::future::ready(()));
        time::timeout_at(time::Instant::now(), std::future::ready(()));
    }
    intervals(i: time::Interval) send_and_sync {
        i.tick();
    }
    // The closure is `Send`, and so is what comes back. What the closure makes need not be.
    shards(id: shard::ShardId, s: shard::Sharded<None>) send {
        shard::call(id, || 1); shard::call_async(id, || async {
        *Rc::new(1) }); shard::Sharded::new(|_| Rc::new(1));
        s.invoke_on(id, |n| **n); s.invoke_on_all(|n| **n); s.map_reduce(|n| **n, 0, |a, b| a + b); s.stop();
    }
}

/// Types that Tokio gives a `Drop` of their own, with which nothing can be moved out of them.
macro_rules! drop_themselves {
    ($($ty:ty),* $(,)?) => {
        $(
            #[expect(drop_bounds, reason = "the question is whether there is an `impl`, not whether something is dropped")]
            const _: () = assert!(holds!($ty: Drop), concat!("Drop: ", stringify!($ty)));
        )*
    };
}
drop_themselves! {
    io::unix::AsyncFd<Fd<u8>>, sync::MutexGuard<'static, u8>, sync::MappedMutexGuard<'static, u8>,
    sync::OwnedMutexGuard<u8>, sync::OwnedMappedMutexGuard<u8, u8>, sync::RwLockReadGuard<'static, u8>,
    sync::RwLockWriteGuard<'static, u8>, sync::RwLockMappedWriteGuard<'static, u8>, sync::OwnedRwLockReadGuard<u8>,
    sync::OwnedRwLockWriteGuard<u8>, sync::OwnedRwLockMappedWriteGuard<u8>, sync::futures::Notified<'static>,
    sync::futures::OwnedNotified, sync::mpsc::WeakSender<u8>, sync::mpsc::WeakUnboundedSender<u8>,
    sync::oneshot::Sender<u8>, sync::oneshot::Receiver<u8>,
}
