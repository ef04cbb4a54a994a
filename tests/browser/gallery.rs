//! Every page as an endpoint would show it.

use mintage_sidecar::endpoint::pages::{
    Api, Connection, Consent, Destination, Failed, Failure, Form, FormPost, Front, Identity,
    Language, Link, Look, Name, Nonce, Origin, Page, Problem, Scene, Scope, SignIn, SignOut,
    SignedOut, Stayed, WebMessage, Window,
};
use std::time::Duration;

/// The pages that people see for longer than a moment.
pub const SHOWN: [&str; 18] = [
    "sign-in",
    "sign-in-wrong",
    "sign-in-many",
    "sign-in-password",
    "sign-in-providers",
    "sign-in-yellow",
    "sign-in-black",
    "sign-in-hostile",
    "consent",
    "consent-device",
    "consent-hostile",
    "failed",
    "failed-hostile",
    "front",
    "signed-out",
    "sign-out",
    "stayed",
    "web-message",
];

/// A name that turns the direction of writing, and whose marks are higher than a line.
pub const HOSTILE: &str = "\u{202e}elgooG\u{202c} e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}vil\u{316}\u{316}\u{316}\u{316}\u{316}\u{316}\u{316}\u{316}\u{316}\u{316}\u{316}\u{316}";

/// What all pages have.
pub struct Gallery {
    /// The port of everything.
    pub port: u16,
    /// The language.
    pub language: Language,
    /// Whether a window of the application waits.
    pub window: Window,
}

impl Gallery {
    fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}.localhost:{}{path}", self.port)
    }

    fn look(&self, name: &str) -> Look {
        let link = |host, path| Link::parse(&self.url(host, path)).ok();
        let colour = match name {
            "sign-in-yellow" => Some("#ffe600"),
            "sign-in-black" => Some("#000000"),
            "consent-device" => Some("#3b5bdb"),
            _ => None,
        };
        Look {
            name: if name.ends_with("hostile") {
                "W".repeat(128)
            } else {
                "Acme Workshops".into()
            },
            logo: name
                .starts_with("sign-in-y")
                .then(|| link("images", "/logo.svg"))
                .flatten(),
            colour: colour.and_then(|colour| colour.parse().ok()),
            support: link("help", "/landed"),
        }
    }

    /// A page by its name.
    pub fn page(&self, name: &str) -> Option<Page> {
        let look = self.look(name);
        let nonce = Nonce::new([7; 16]);
        let scene = Scene {
            look: &look,
            language: self.language,
            nonce: &nonce,
            window: self.window,
        };
        let callback = self.url("shop", "/callback");
        let target = Origin::of(&callback).ok()?;
        let answer = [
            ("code", "c-1"),
            ("state", "</script>&\"'"),
            ("iss", "https://acme.localhost/"),
        ];
        let page = match name {
            "consent" | "consent-device" => self.consent(name == "consent", &scene)?,
            "consent-hostile" => self.asked_too_much(&scene)?,
            "failed-hostile" => Failed {
                failure: Failure::ConnectionFailed {
                    label: Name::new(HOSTILE),
                },
                detail: Some(HOSTILE),
                request: "5f0c1d9ab2c94b1e",
            }
            .page(&scene),
            "failed" => Failed {
                failure: Failure::CallbackMismatch,
                detail: Some("redirect_uri: https://shop.example.com/somewhere/else"),
                request: "5f0c1d9ab2c94b1e",
            }
            .page(&scene),
            "front" => Front.page(&scene),
            "form-post" => FormPost::new(&callback, &answer).ok()?.page(&scene),
            "signed-out" => {
                let home = Link::parse(&self.url("shop", "/landed")).ok()?;
                SignedOut {
                    back: Some((Name::new("Shop"), &home)),
                }
                .page(&scene)
            }
            "sign-out" => {
                let form = Form {
                    action: "/u/choice",
                    hidden: &[],
                    leads_to: &[],
                };
                SignOut { form }.page(&scene)
            }
            "stayed" => Stayed.page(&scene),
            "web-message" => WebMessage {
                target: &target,
                framed_by: std::slice::from_ref(&target),
                answer: &answer,
            }
            .page(&scene),
            _ => self.sign_in(name, &scene)?,
        };
        Some(page)
    }

    fn sign_in(&self, name: &str, scene: &Scene<'_>) -> Option<Page> {
        let shop = [Destination::of(&self.url("shop", "/callback")).ok()?];
        // A page whose caller forgot where the POST leads.
        let leads_to: &[Destination] = if name == "sign-in-lost" { &[] } else { &shop };
        let hidden = [("state", "sealed")];
        let form = |action| Form {
            action,
            hidden: &hidden,
            leads_to,
        };
        let connections = [
            Connection {
                address: "/u/connect",
                label: Name::new(if name.ends_with("hostile") {
                    HOSTILE
                } else {
                    "Google"
                }),
            },
            Connection {
                address: "/u/connect",
                label: Name::new("Acme’s own directory"),
            },
        ];
        let problem = match name {
            "sign-in-wrong" => Some(Problem::Wrong),
            "sign-in-many" => Some(Problem::TooMany {
                wait: Duration::from_mins(5),
            }),
            _ => None,
        };
        let sign_in = SignIn {
            application: Name::new(if name.ends_with("hostile") {
                HOSTILE
            } else {
                "Shop"
            }),
            password: (name != "sign-in-providers").then(|| form("/u/login")),
            username: problem.map(|_| Name::new("ada@example.com")),
            connect: if name == "sign-in-password" {
                &[]
            } else {
                &connections
            },
            problem,
        };
        name.starts_with("sign-in").then(|| sign_in.page(scene))
    }

    /// By a stranger, with more rights than a screen has lines.
    fn asked_too_much(&self, scene: &Scene<'_>) -> Option<Page> {
        let name = Name::new(HOSTILE);
        let scopes = [Scope {
            name: Name::new("read:orders"),
            description: Some(name),
        }; 100];
        let consent = Consent {
            application: name,
            first_party: false,
            user: name,
            identity: &[Identity::Openid],
            apis: &[Api {
                name,
                scopes: &scopes,
            }],
            returns_to: &Destination::of(&self.url("shop", "/callback")).ok()?,
            form: Form {
                action: "/u/login",
                hidden: &[("state", "sealed")],
                leads_to: &[],
            },
        };
        Some(consent.page(scene))
    }

    fn consent(&self, first_party: bool, scene: &Scene<'_>) -> Option<Page> {
        let uri = if first_party {
            self.url("shop", "/callback")
        } else {
            "com.example.orders:/cb".into()
        };
        let scopes = [
            Scope {
                name: Name::new("read:orders"),
                description: Some(Name::new("See all orders, with their addresses")),
            },
            Scope {
                name: Name::new("write:orders"),
                description: Some(Name::new("Place and change orders")),
            },
            Scope {
                name: Name::new("cancel:orders"),
                description: None,
            },
        ];
        let apis = [
            Api {
                name: Name::new("Orders"),
                scopes: &scopes,
            },
            Api {
                name: Name::new("https://reports.example.com/a/rather/long/identifier"),
                scopes: &[],
            },
        ];
        let consent = Consent {
            application: Name::new("Order Desk"),
            first_party,
            user: Name::new("ada@example.com"),
            identity: &[
                Identity::Openid,
                Identity::Profile,
                Identity::Email,
                Identity::OfflineAccess,
            ],
            apis: if first_party { &apis[..1] } else { &apis },
            returns_to: &Destination::of(&uri).ok()?,
            form: Form {
                action: "/u/login",
                hidden: &[("state", "sealed")],
                leads_to: &[],
            },
        };
        Some(consent.page(scene))
    }
}
