# The images of the operator and the sidecar, for those who build with Docker:
#
#   docker build --target operator --tag ghcr.io/mintage-dev/mintage-operator:0.1.0 .
#   docker build --target sidecar --tag ghcr.io/mintage-dev/mintage-sidecar:0.1.0 .
#
# `cargo xtask image` needs no daemon and makes the same bytes everywhere; see docs/release.md.

FROM docker.io/library/rust:1.95-alpine AS build
RUN apk add --no-cache cmake make musl-dev perl
WORKDIR /mintage
COPY . .
# One at a time: together they would share the features of both.
RUN cargo build --release --locked --package mintage-operator \
    && cargo build --release --locked --package mintage-sidecar

FROM scratch AS operator
COPY --from=build --chmod=0555 /mintage/target/release/mintage-operator /mintage-operator
USER 65532:65532
ENTRYPOINT ["/mintage-operator"]

FROM scratch AS sidecar
COPY --from=build --chmod=0555 /mintage/target/release/mintage-sidecar /mintage-sidecar
# Of the servers that the role `endpoint` calls.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
USER 65532:65532
ENTRYPOINT ["/mintage-sidecar"]
