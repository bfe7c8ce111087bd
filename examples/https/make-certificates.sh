#!/bin/sh
# Makes a certificate authority and two certificates for trying things out. Not for production.
set -eu
cd "$(dirname "$0")"

printf '[req]\ndistinguished_name = dn\n[dn]\n' > openssl.cnf
new_key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"

[ -f ca.pem ] || openssl req -x509 -config openssl.cnf $new_key -keyout ca.key -out ca.pem \
  -subj '/CN=Sallyport example CA' -days 365 -addext basicConstraints=critical,CA:TRUE

issue() {
  openssl req -x509 -config openssl.cnf $new_key -keyout "$1.key.new" -out "$1.pem.new" -CA ca.pem -CAkey ca.key \
    -subj "/CN=$2" -days 90 -addext basicConstraints=critical,CA:FALSE -addext "subjectAltName=$3"
  mv "$1.key.new" "$1.key"
  mv "$1.pem.new" "$1.pem"
}

issue localhost localhost DNS:localhost,IP:127.0.0.1,IP:::1
issue shop '*.shop.localhost' 'DNS:*.shop.localhost'
rm openssl.cnf
