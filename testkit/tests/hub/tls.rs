//! Logins by client certificate and by GSSAPI.

use std::sync::Once;

use koji_bridge::xmlrpc::{Arguments, Value};
use reqwest::{Certificate, Client, Identity};
use testkit::hub::{ClientCertificates, HubSettings, KojiHub};

use crate::support::{Caller, fault};

fn client(hub: &KojiHub, name: Option<&str>) -> Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let authority = hub.authority().unwrap();
    let root = Certificate::from_pem(authority.certificate().as_bytes()).unwrap();
    let mut builder = Client::builder().no_proxy().tls_backend_rustls().tls_certs_only([root]);
    if let Some(name) = name {
        builder = builder.identity(Identity::from_pem(authority.client(name).unwrap().as_bytes()).unwrap());
    }
    builder.build().unwrap()
}

fn caller(hub: &KojiHub, name: Option<&str>) -> Caller {
    let url = format!("{}/ssllogin", hub.url());
    Caller { http: client(hub, name), ..Caller::anonymous(&url) }
}

async fn who(hub: &KojiHub, mut caller: Caller, ticket: &Value) -> Value {
    caller.take(ticket);
    caller.url = hub.url();
    caller.call("getLoggedInUser", Arguments::none()).await.unwrap()
}

#[tokio::test]
async fn the_common_name_of_a_certificate_is_the_user() {
    let settings = HubSettings { proxy_users: vec!["osbs-proxy".to_owned()], ..HubSettings::default() };
    let hub = KojiHub::start_tls(settings).await.unwrap();
    let mut osbs = caller(&hub, Some("osbs"));
    let ticket = osbs.call("sslLogin", Arguments::none().named("proxyuser", Value::Nil)).await.unwrap();
    assert_eq!(ticket.get("header-auth"), Some(&Value::Bool(true)));
    let user = who(&hub, osbs, &ticket).await;
    assert_eq!((user.get("name"), user.get("authtype")), (Some(&Value::from("osbs")), Some(&Value::Int(2))));

    let for_alice = Arguments::none().named("proxyuser", "alice");
    let (code, text) = fault(caller(&hub, Some("osbs")).call("sslLogin", for_alice.clone()).await);
    assert_eq!((code, text.as_str()), (1002, "CN=osbs,O=Koji Test is not authorized to login other users"));
    let mut proxy = caller(&hub, Some("osbs-proxy"));
    let ticket = proxy.call("sslLogin", for_alice).await.unwrap();
    assert_eq!(who(&hub, proxy, &ticket).await.get("name"), Some(&Value::from("alice")));

    let (code, text) = fault(caller(&hub, None).call("sslLogin", Arguments::none()).await);
    assert_eq!((code, text.as_str()), (1002, "could not verify client: NONE"));
    hub.change(|state| {
        let id = state.add_user("bob");
        state.users.get_mut(&id).unwrap().disabled = true;
    })
    .unwrap();
    let (code, text) = fault(caller(&hub, Some("bob")).call("sslLogin", Arguments::none()).await);
    assert_eq!((code, text.as_str()), (1002, "logins by bob are not allowed"));
}

#[tokio::test]
async fn unknown_users_are_refused_where_logins_make_none() {
    let settings = HubSettings { login_creates_user: false, ..HubSettings::default() };
    let hub = KojiHub::start_tls(settings).await.unwrap();
    let (code, text) = fault(caller(&hub, Some("newcomer")).call("sslLogin", Arguments::none()).await);
    assert_eq!((code, text.as_str()), (1002, "Unknown user: newcomer"));
}

#[tokio::test]
async fn a_server_can_demand_certificates_or_ask_too_late() {
    let with = |client_certificates| HubSettings { client_certificates, ..HubSettings::default() };
    let hub = KojiHub::start_tls(with(ClientCertificates::Demanded)).await.unwrap();
    assert!(client(&hub, None).post(hub.url()).send().await.is_err());
    caller(&hub, Some("osbs")).call("sslLogin", Arguments::none()).await.unwrap();
    let hub = KojiHub::start_tls(with(ClientCertificates::AskedLate)).await.unwrap();
    let request = client(&hub, Some("osbs")).post(format!("{}/ssllogin", hub.url()));
    let response = request.body("<methodCall/>").send().await.unwrap();
    assert_eq!(response.status(), 403);
    assert!(response.text().await.unwrap().contains("Cannot perform Post-Handshake Authentication."));
}

#[tokio::test]
async fn whoever_sends_a_ticket_is_the_principal() {
    let settings =
        HubSettings { gssapi_principal: Some("osbs@EXAMPLE.TEST".to_owned()), ..HubSettings::default() };
    let hub = KojiHub::start_tls(settings).await.unwrap();
    let url = format!("{}/ssllogin", hub.url());
    let http = client(&hub, None);
    let refused = http.post(&url).body("<methodCall/>").send().await.unwrap();
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["www-authenticate"]),
        (401, &"Negotiate".parse().unwrap())
    );
    let document = koji_bridge::xmlrpc::Call::new("sslLogin", Arguments::none()).to_xml().unwrap();
    let request = http.post(&url).header("Authorization", "Negotiate YII=").body(document);
    let answer = request.send().await.unwrap().bytes().await.unwrap();
    let ticket = koji_bridge::xmlrpc::read_answer(&answer).unwrap().unwrap();
    let user = who(&hub, Caller { http, ..Caller::anonymous(&url) }, &ticket).await;
    assert_eq!(user.get("krb_principal"), Some(&Value::from("osbs@EXAMPLE.TEST")));
    assert_eq!((user.get("name"), user.get("authtype")), (Some(&Value::from("osbs")), Some(&Value::Int(3))));
}
