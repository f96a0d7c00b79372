// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.http;

import java.net.Socket;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.X509ExtendedTrustManager;

/// Lets any client certificate of reasonable size through: TLS proves that the client holds the key, and no more. Who
/// it
/// is, and whether that is still good, is looked up by key or fingerprint per request in what we issued or claimed; a
/// self-signed birth certificate is as welcome as one of ours.
///
/// Extended, because a plain trust manager gets wrapped in the JDK's own checks of algorithms and dates, which would
/// turn a device away before we could say why.
final class AnyClientCertificate extends X509ExtendedTrustManager {
    private static final int LONGEST_CHAIN = 8;
    private static final int LARGEST = 16 * 1024;

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType) throws CertificateException {
        if (chain.length == 0 || chain.length > LONGEST_CHAIN) {
            throw new CertificateException("the client sent " + chain.length + " certificates");
        }
        for (X509Certificate certificate : chain) {
            if (certificate.getEncoded().length > LARGEST) {
                throw new CertificateException("a client certificate is larger than " + LARGEST + " bytes");
            }
        }
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType, Socket socket)
            throws CertificateException {
        checkClientTrusted(chain, authType);
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType, SSLEngine engine)
            throws CertificateException {
        checkClientTrusted(chain, authType);
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType) throws CertificateException {
        throw new CertificateException("this trust manager is for servers");
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType, Socket socket)
            throws CertificateException {
        checkServerTrusted(chain, authType);
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType, SSLEngine engine)
            throws CertificateException {
        checkServerTrusted(chain, authType);
    }

    @Override
    public X509Certificate[] getAcceptedIssuers() {
        return new X509Certificate[0];
    }
}
