// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import dev.tegata.pki.der.Oid;
import java.util.Map;

/// The extended key usages that have a name here (RFC 5280 §4.2.1.12).
public final class KeyPurpose {
    public static final Oid SERVER_AUTH = Oid.of("1.3.6.1.5.5.7.3.1");
    public static final Oid CLIENT_AUTH = Oid.of("1.3.6.1.5.5.7.3.2");
    public static final Oid CODE_SIGNING = Oid.of("1.3.6.1.5.5.7.3.3");
    public static final Oid EMAIL_PROTECTION = Oid.of("1.3.6.1.5.5.7.3.4");
    public static final Oid TIME_STAMPING = Oid.of("1.3.6.1.5.5.7.3.8");
    public static final Oid OCSP_SIGNING = Oid.of("1.3.6.1.5.5.7.3.9");
    public static final Oid ANY = Oid.of("2.5.29.37.0");

    private static final Map<String, Oid> NAMES = Map.of(
            "serverAuth", SERVER_AUTH,
            "clientAuth", CLIENT_AUTH,
            "codeSigning", CODE_SIGNING,
            "emailProtection", EMAIL_PROTECTION,
            "timeStamping", TIME_STAMPING,
            "OCSPSigning", OCSP_SIGNING,
            "anyExtendedKeyUsage", ANY);

    private KeyPurpose() {}

    /// The purpose with this name, such as `clientAuth`, or this dotted object identifier.
    ///
    /// @throws IllegalArgumentException where it is neither
    public static Oid of(String nameOrOid) {
        Oid named = NAMES.get(nameOrOid);
        return named != null ? named : Oid.of(nameOrOid);
    }
}
