//! A DNS server, on UDP and TCP of one loopback port.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{CNAME, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// What the server says to a question.
pub enum Reply {
    /// Records of the name itself.
    Records(Vec<RData>),
    /// Another name, and records of that.
    Alias(&'static str, Vec<RData>),
    /// Nothing but a code.
    Code(ResponseCode),
    /// Not a word.
    Silence,
}

/// A question: the name in lower case without the last dot, the type, and how often it was asked before.
pub type Question<'a> = (&'a str, RecordType, usize);

type Answers = dyn Fn(Question) -> Reply + Send + Sync;

/// A server that runs until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, RecordType)>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    pub async fn start(answers: impl Fn(Question) -> Reply + Send + Sync + 'static) -> Self {
        // A port that is free for both.
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let brain = Arc::new(Brain {
            answers: Box::new(answers),
            asked: Arc::clone(&asked),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(udp, Arc::clone(&brain)));
        tasks.spawn(serve_tcp(tcp, brain));
        Self {
            address,
            asked,
            _tasks: tasks,
        }
    }

    /// How often a name was asked for records of a type.
    pub fn asked(&self, name: &str, kind: RecordType) -> usize {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .filter(|(n, k)| n == name && *k == kind)
            .count()
    }
}

/// The TXT record of one string.
pub fn txt(text: &str) -> RData {
    RData::TXT(TXT::new(vec![text.to_owned()]))
}

/// The record of an address.
pub fn address(text: &str) -> RData {
    match IpAddr::from_str(text).unwrap() {
        IpAddr::V4(address) => RData::A(address.into()),
        IpAddr::V6(address) => RData::AAAA(address.into()),
    }
}

/// Those of some records that are of a type; a name that has others only has none.
pub fn of(kind: RecordType, records: &[RData]) -> Reply {
    let fitting = records.iter().filter(|record| record.record_type() == kind);
    Reply::Records(fitting.cloned().collect())
}

struct Brain {
    answers: Box<Answers>,
    asked: Arc<Mutex<Vec<(String, RecordType)>>>,
}

impl Brain {
    /// The answer to a message; over UDP a large one is cut short.
    fn answer(&self, question: &[u8], udp: bool) -> Option<Vec<u8>> {
        let question = Message::from_vec(question).unwrap();
        let query = question.queries.first().unwrap().clone();
        let name = query.name().to_ascii().to_ascii_lowercase();
        let name = name.trim_end_matches('.').to_owned();
        let kind = query.query_type();
        let before = {
            let mut asked = self.asked.lock().unwrap();
            let before = asked
                .iter()
                .filter(|(n, k)| *n == name && *k == kind)
                .count();
            asked.push((name.clone(), kind));
            before
        };
        let mut answer = Message::response(question.metadata.id, OpCode::Query);
        answer.add_query(query.clone());
        answer.metadata.recursion_desired = true;
        answer.metadata.recursion_available = true;
        let mut add = |owner: &Name, records: Vec<RData>| {
            for record in records {
                answer.add_answer(Record::from_rdata(owner.clone(), 3600, record));
            }
        };
        match (self.answers)((&name, kind, before)) {
            Reply::Records(records) => add(query.name(), records),
            Reply::Alias(alias, records) => {
                let alias = Name::from_ascii(alias).unwrap();
                add(query.name(), vec![RData::CNAME(CNAME(alias.clone()))]);
                add(&alias, records);
            }
            Reply::Code(code) => answer.metadata.response_code = code,
            Reply::Silence => return None,
        }
        let room = usize::from(question.max_payload());
        let whole = answer.to_vec().unwrap();
        if udp && whole.len() > room {
            return Some(answer.truncate().to_vec().unwrap());
        }
        Some(whole)
    }
}

async fn serve_udp(socket: UdpSocket, brain: Arc<Brain>) {
    let mut buffer = vec![0; 65_535];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        if let Some(answer) = brain.answer(&buffer[..length], true) {
            socket.send_to(&answer, from).await.unwrap();
        }
    }
}

async fn serve_tcp(listener: TcpListener, brain: Arc<Brain>) {
    let mut streams = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let brain = Arc::clone(&brain);
        streams.spawn(async move {
            // The client hangs up when it has what it wants.
            serve_stream(stream, &brain).await.ok();
        });
    }
}

async fn serve_stream(mut stream: TcpStream, brain: &Brain) -> std::io::Result<()> {
    loop {
        let length = stream.read_u16().await?;
        let mut question = vec![0; length.into()];
        stream.read_exact(&mut question).await?;
        if let Some(answer) = brain.answer(&question, false) {
            stream
                .write_u16(u16::try_from(answer.len()).unwrap())
                .await?;
            stream.write_all(&answer).await?;
        }
    }
}
