"""What the programs of this folder share: the lines in and out, and the way to the issuer. See ../README.md."""

import ipaddress
import json
import socket
import ssl
import sys
import urllib.request

resolve = socket.getaddrinfo


def dial_names_at(address):
    """Resolves every host name to `address` ("ip:port"), or as usual if it is None."""
    socket.getaddrinfo = resolve
    if address is None:
        return
    host, port = address.rsplit(":", 1)

    # `*.localhost` has no entry in most resolvers.
    def getaddrinfo(name, _port, *args, **kwargs):
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return resolve(host, int(port), *args, **kwargs)
        return resolve(name, _port, *args, **kwargs)

    socket.getaddrinfo = getaddrinfo


def trust(request):
    """The TLS context of a `configure` request; from now on host names are dialled as it says."""
    dial_names_at(request.get("connect"))
    return ssl.create_default_context(cafile=request.get("ca_file"))


def fetch(url, context):
    with urllib.request.urlopen(url, timeout=10, context=context) as response:
        return json.load(response)


def jwks_uri(request, context):
    """Where the keys are: as told, or by the metadata, which has to name the very same issuer (Discovery 4.3)."""
    if request["mode"] == "jwks":
        return request["jwks_uri"]
    metadata = fetch(request["issuer"] + ".well-known/openid-configuration", context)
    if metadata["issuer"] != request["issuer"]:
        raise ValueError(f"the metadata names the issuer {metadata['issuer']}")
    return metadata["jwks_uri"]


def serve(operations, failure):
    """Answers each line of standard input by the operation it names; `failure` names what an exception means."""
    for line in sys.stdin:
        # Any exception is an answer: which class or code it has is what the tests ask.
        try:
            request = json.loads(line)
            reply = {"ok": True, **operations[request["op"]](request)}
        except Exception as error:
            name, message = failure(error)
            reply = {"ok": False, "error": name, "message": message}
        print(json.dumps(reply), flush=True)
