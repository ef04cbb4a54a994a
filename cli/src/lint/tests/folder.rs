//! A clean folder, and changes of it.

/// A folder without a finding: a tenant for every namespace, an API, a workload that is granted all of it.
pub const CLEAN: &str = r"
apiVersion: v1
kind: Namespace
metadata: {name: idp}
---
apiVersion: v1
kind: Namespace
metadata:
  name: api
  labels: {mintage.dev/injection: enabled}
---
apiVersion: v1
kind: Namespace
metadata:
  name: shop
  labels: {mintage.dev/injection: enabled}
---
apiVersion: mintage.dev/v1alpha1
kind: Tenant
metadata: {name: acme, namespace: idp}
spec:
  domain: acme.example.com
  allowedNamespaces: {from: All}
---
apiVersion: mintage.dev/v1alpha1
kind: ApiAudience
metadata: {name: orders, namespace: api}
spec:
  tenantRef: {name: acme, namespace: idp}
  identifier: https://orders.example.com
  tokenLifetimeSeconds: 3600
  scopes: [{name: read}, {name: write}]
  grants:
  - workload: {namespace: shop, serviceAccount: cart}
    scopes: [read, write]
---
apiVersion: v1
kind: Pod
metadata: {name: cart, namespace: shop}
spec: {serviceAccountName: cart}
---
apiVersion: v1
kind: Pod
metadata:
  name: orders
  namespace: api
  annotations: {mintage.dev/accept-audiences: orders}
spec: {serviceAccountName: orders}
";

/// The clean folder with some texts in place of others; `+` adds a document.
pub fn edited(edits: &[(&str, &str)]) -> String {
    let mut text = CLEAN.to_owned();
    for (from, to) in edits {
        if *from == "+" {
            text = format!("{text}---\n{to}\n");
        } else {
            assert!(text.contains(from), "{from} is not in the folder");
            text = text.replacen(from, to, 1);
        }
    }
    text
}

pub const SECOND_API: &str = "apiVersion: mintage.dev/v1alpha1\nkind: ApiAudience\nmetadata: {name: stock, namespace: api}\nspec: {tenantRef: {name: acme, namespace: idp}, identifier: ID, tokenLifetimeSeconds: 3600, grants: [{workload: {namespace: shop, serviceAccount: cart}}]}";
pub const CUSTOM: &str = "apiVersion: mintage.dev/v1alpha1\nkind: CustomDomain\nmetadata: {name: login, namespace: idp}\nspec: {tenantRef: {name: acme}, domain: DOMAIN}";
pub const SECOND_TENANT: &str = "apiVersion: mintage.dev/v1alpha1\nkind: Tenant\nmetadata: {name: globex, namespace: other}\nspec: {domain: DOMAIN}";

pub const APPLICATION: &str = "apiVersion: mintage.dev/v1alpha1\nkind: Application\nmetadata: {name: cart, namespace: shop}\nspec: {tenantRef: {name: acme, namespace: idp}, type: Web, redirectUris: [\"URI\"]}";
pub const ENDPOINT: &str = "allowedNamespaces: {from: All}\n  endpoint: {enabled: true}";

pub fn application(redirect_uri: &str) -> String {
    APPLICATION.replace("URI", redirect_uri)
}

pub fn second_api(identifier: &str) -> String {
    SECOND_API.replace("ID", identifier)
}

pub fn custom(domain: &str) -> String {
    CUSTOM.replace("DOMAIN", domain)
}

pub fn second_tenant(domain: &str) -> String {
    SECOND_TENANT.replace("DOMAIN", domain)
}
