//! TXT records.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::{RData, RecordType};
use mintage_crds::domain::VerificationMethod;
use mintage_operator::domains::{Check as _, Checker, Outcome, Settings};

use super::dns_server::{Reply, Server, txt};
use super::{contradicted, settings, subject, unanswered};

const NAME: &str = "_mintage-challenge.login.acme.example";

fn value() -> String {
    let subject = subject("login.acme.example", VerificationMethod::DnsTxt);
    subject.challenge().unwrap().value
}

/// What a check finds where the server answers so.
async fn check(reply: impl Fn() -> Reply + Send + Sync + 'static) -> Outcome {
    let server = Server::start(move |(name, kind, _)| {
        if (name, kind) == (NAME, RecordType::TXT) {
            reply()
        } else {
            Reply::Code(ResponseCode::NXDomain)
        }
    })
    .await;
    let checker = Checker::new(settings(server.address)).unwrap();
    let subject = subject("login.acme.example", VerificationMethod::DnsTxt);
    checker.ask(&subject).await
}

#[tokio::test]
async fn the_record_is_there() {
    assert_eq!(
        check(|| Reply::Records(vec![txt(&value())])).await,
        Outcome::Shown
    );
}

#[tokio::test]
async fn one_of_several_records_is_it() {
    let records = || vec![txt("v=spf1 -all"), txt(&value()), txt("")];
    assert_eq!(
        check(move || Reply::Records(records())).await,
        Outcome::Shown
    );
}

#[tokio::test]
async fn a_record_in_several_strings() {
    let outcome = check(|| {
        let (head, tail) = (value()[..40].to_owned(), value()[40..].to_owned());
        Reply::Records(vec![RData::TXT(TXT::new(vec![head, tail]))])
    });
    assert_eq!(outcome.await, Outcome::Shown);
}

#[tokio::test]
async fn a_name_that_stands_for_another() {
    let alias = "proofs.acme-dns.example.";
    let outcome = check(move || Reply::Alias(alias, vec![txt(&value())])).await;
    assert_eq!(outcome, Outcome::Shown);
}

/// As a server answers that does not look the other name up itself.
#[tokio::test]
async fn a_name_that_stands_for_another_is_followed() {
    let server = Server::start(|(name, kind, _)| match (name, kind) {
        (NAME, RecordType::TXT) => Reply::Alias("proofs.acme-dns.example.", Vec::new()),
        ("proofs.acme-dns.example", RecordType::TXT) => Reply::Records(vec![txt(&value())]),
        _ => Reply::Code(ResponseCode::NXDomain),
    })
    .await;
    let checker = Checker::new(settings(server.address)).unwrap();
    let subject = subject("login.acme.example", VerificationMethod::DnsTxt);
    assert_eq!(checker.ask(&subject).await, Outcome::Shown);
}

#[tokio::test]
async fn names_that_stand_for_each_other_end() {
    let server = Server::start(|(name, ..)| {
        Reply::Alias(
            if name == NAME {
                "b.example."
            } else {
                "_mintage-challenge.login.acme.example."
            },
            Vec::new(),
        )
    })
    .await;
    let checker = Checker::new(settings(server.address)).unwrap();
    let subject = subject("login.acme.example", VerificationMethod::DnsTxt);
    assert_ne!(checker.ask(&subject).await, Outcome::Shown);
    assert!(server.asked(NAME, RecordType::TXT) < 20);
}

/// The port of the domain plays no part, but the value is of the whole domain.
#[tokio::test]
async fn a_domain_with_a_port() {
    let with_port = subject("login.acme.example:8443", VerificationMethod::DnsTxt);
    let expected = with_port.challenge().unwrap().value;
    let server = Server::start(move |(name, ..)| {
        assert_eq!(name, NAME);
        Reply::Records(vec![txt(&expected)])
    })
    .await;
    let checker = Checker::new(settings(server.address)).unwrap();
    assert_eq!(checker.ask(&with_port).await, Outcome::Shown);
    let without = subject("login.acme.example", VerificationMethod::DnsTxt);
    let outcome = checker.ask(&without).await;
    assert_eq!(contradicted(&outcome), "one TXT record with another value");
}

#[tokio::test]
async fn what_is_wrong_is_counted_and_not_repeated() {
    let outcome = check(|| Reply::Records(vec![txt("\u{1b}[31mowned\u{7}")])).await;
    assert_eq!(contradicted(&outcome), "one TXT record with another value");
    let outcome = check(|| Reply::Records(vec![txt("a"), txt(&format!("{}x", value()))])).await;
    assert_eq!(contradicted(&outcome), "2 TXT records with other values");
}

#[tokio::test]
async fn the_name_is_missing_or_has_other_records() {
    let outcome = check(|| Reply::Code(ResponseCode::NXDomain)).await;
    assert_eq!(contradicted(&outcome), "nothing, the name does not exist");
    let outcome = check(|| Reply::Records(Vec::new())).await;
    assert_eq!(
        contradicted(&outcome),
        "nothing, the name has no TXT record"
    );
}

#[tokio::test]
async fn a_server_that_cannot_say_says_nothing_about_the_domain() {
    for (code, text) in [
        (ResponseCode::ServFail, "SERVFAIL"),
        (ResponseCode::Refused, "REFUSED"),
        (ResponseCode::NotImp, "error 4"),
    ] {
        let outcome = check(move || Reply::Code(code)).await;
        assert!(unanswered(&outcome).contains(text), "{outcome:?}");
    }
}

#[tokio::test]
async fn no_answer_is_none() {
    let outcome = check(|| Reply::Silence).await;
    assert_eq!(
        unanswered(&outcome),
        "the DNS server does not answer in time"
    );
}

#[tokio::test]
async fn no_server_is_no_answer() {
    // A port where nobody listens: it was free a moment ago.
    let free = std::net::UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let checker = Checker::new(settings(free)).unwrap();
    let subject = subject("login.acme.example", VerificationMethod::DnsTxt);
    unanswered(&checker.ask(&subject).await);
}

/// More than fits into a datagram: the server is asked again over TCP. It is one value that counts among many.
#[tokio::test]
async fn an_answer_as_large_as_the_dns_allows() {
    let outcome = check(|| {
        let mut records: Vec<RData> = (0..240).map(|n| txt(&format!("{n:0>240}"))).collect();
        records.push(txt(&value()));
        Reply::Records(records)
    });
    assert_eq!(outcome.await, Outcome::Shown);
    let outcome = check(|| Reply::Records((0..240).map(|n| txt(&format!("{n:0>240}"))).collect()));
    assert_eq!(
        contradicted(&outcome.await),
        "240 TXT records with other values"
    );
}

/// What was found once is looked up anew, though its records say that they live for an hour.
#[tokio::test]
async fn nothing_is_remembered() {
    let server = Server::start(|(_, _, before)| match before {
        0 => Reply::Code(ResponseCode::NXDomain),
        1 => Reply::Records(vec![txt(&value())]),
        _ => Reply::Records(vec![txt("gone")]),
    })
    .await;
    let checker = Checker::new(settings(server.address)).unwrap();
    let subject = subject("login.acme.example", VerificationMethod::DnsTxt);
    contradicted(&checker.ask(&subject).await);
    assert_eq!(checker.ask(&subject).await, Outcome::Shown);
    contradicted(&checker.ask(&subject).await);
    assert_eq!(server.asked(NAME, RecordType::TXT), 3);
}

/// A record that was published for an object is none for the next of the same name.
#[tokio::test]
async fn a_recreated_object_needs_another_record() {
    let server = Server::start(|_| Reply::Records(vec![txt(&value())])).await;
    let checker = Checker::new(settings(server.address)).unwrap();
    let mut subject = subject("login.acme.example", VerificationMethod::DnsTxt);
    assert_eq!(checker.ask(&subject).await, Outcome::Shown);
    subject.uid = mintage_core::Uid::parse("d2f1c1de-0002").unwrap();
    contradicted(&checker.ask(&subject).await);
}

#[tokio::test]
async fn names_of_the_cluster_and_addresses_are_barred() {
    let server = Server::start(|(name, ..)| panic!("{name} was asked for")).await;
    let strict = Checker::new(settings(server.address)).unwrap();
    for host in [
        "10.0.0.1",
        "127.1",
        "intranet",
        "acme.localhost",
        "web.shop.svc.cluster.local",
    ] {
        for method in [
            VerificationMethod::DnsTxt,
            VerificationMethod::HttpWellKnown,
        ] {
            let outcome = strict.ask(&subject(host, method)).await;
            let Outcome::Barred(why) = outcome else {
                panic!("{host}: {outcome:?}")
            };
            assert!(why.contains(host) && why.contains("choose"), "{why}");
        }
    }
}

#[tokio::test]
async fn no_proof_is_needed_where_the_operator_says_so() {
    let server = Server::start(|(name, ..)| panic!("{name} was asked for")).await;
    let none = subject("acme.localhost:7743", VerificationMethod::None);
    let strict = Checker::new(settings(server.address)).unwrap();
    let Outcome::Barred(why) = strict.ask(&none).await else {
        panic!()
    };
    assert!(
        why.contains("--allow-unverified-domains") && why.contains("DnsTxt"),
        "{why}"
    );
    let open = Checker::new(Settings {
        allow_unverified: true,
        ..settings(server.address)
    });
    assert_eq!(open.unwrap().ask(&none).await, Outcome::Shown);
}
