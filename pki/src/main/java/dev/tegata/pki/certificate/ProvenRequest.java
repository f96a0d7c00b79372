// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.key.PublicKeyInfo;

/// A request whose maker has proven to hold the private key. Only [CertificateRequest#prove] makes one.
public final class ProvenRequest {
    private final CertificateRequest request;

    ProvenRequest(CertificateRequest request) {
        this.request = request;
    }

    public CertificateRequest request() {
        return request;
    }

    public PublicKeyInfo publicKey() {
        return request.publicKey();
    }

    @Override
    public String toString() {
        return "proven " + request;
    }
}
