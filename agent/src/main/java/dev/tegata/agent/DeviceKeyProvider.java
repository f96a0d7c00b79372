// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import dev.tegata.pki.key.EcdsaSignature;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.security.InvalidKeyException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.PrivateKey;
import java.security.Provider;
import java.security.PublicKey;
import java.security.Security;
import java.security.SignatureException;
import java.security.SignatureSpi;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Lets TLS sign with a [DeviceKey]: a JCA provider for exactly that kind of key.
final class DeviceKeyProvider extends Provider {
    private static final long serialVersionUID = 1L;
    private static final DeviceKeyProvider INSTANCE = new DeviceKeyProvider();

    private DeviceKeyProvider() {
        super("TegataDevice", "1", "signatures by keys that stay in their chip");
        Map<String, String> onlyDeviceKeys = Map.of("SupportedKeyClasses", DeviceKey.class.getName());
        putService(
                new Service(this, "Signature", "NONEwithECDSA", OfDigest.class.getName(), List.of(), onlyDeviceKeys));
        putService(new Service(
                this, "Signature", "SHA256withECDSA", OfMessage.class.getName(), List.of(), onlyDeviceKeys));
    }

    /// Makes the provider known to the JCA, where TLS looks for it. Repeating it does nothing.
    static void register() {
        Security.addProvider(INSTANCE);
    }

    private abstract static class DeviceSignature extends SignatureSpi {
        private @Nullable DeviceKey key;

        abstract byte[] digest();

        @Override
        protected void engineInitSign(PrivateKey privateKey) throws InvalidKeyException {
            if (!(privateKey instanceof DeviceKey deviceKey)) {
                throw new InvalidKeyException("not a key in a chip");
            }
            key = deviceKey;
        }

        @Override
        protected byte[] engineSign() throws SignatureException {
            DeviceKey signer = key;
            if (signer == null) {
                throw new SignatureException("not initialised");
            }
            byte[] digest = digest();
            if (digest.length != 32) {
                throw new SignatureException("a chip signs SHA-256 digests only");
            }
            try {
                return EcdsaSignature.derOf(signer.signForTls(digest));
            } catch (IOException e) {
                throw new SignatureException("the device's key cannot be used: " + e.getMessage(), e);
            }
        }

        @Override
        protected void engineInitVerify(PublicKey publicKey) throws InvalidKeyException {
            throw new InvalidKeyException("this provider signs only");
        }

        @Override
        protected boolean engineVerify(byte[] signature) throws SignatureException {
            throw new SignatureException("this provider signs only");
        }

        @Deprecated
        @Override
        protected void engineSetParameter(String parameter, Object value) {
            throw new UnsupportedOperationException();
        }

        @Deprecated
        @Override
        protected Object engineGetParameter(String parameter) {
            throw new UnsupportedOperationException();
        }
    }

    /// Signs what is a digest already.
    public static final class OfDigest extends DeviceSignature {
        private final ByteArrayOutputStream data = new ByteArrayOutputStream(32);

        @Override
        protected void engineUpdate(byte b) {
            data.write(b);
        }

        @Override
        protected void engineUpdate(byte[] bytes, int offset, int length) {
            data.write(bytes, offset, length);
        }

        @Override
        byte[] digest() {
            byte[] digest = data.toByteArray();
            data.reset();
            return digest;
        }
    }

    /// Signs the SHA-256 digest of what it is given.
    public static final class OfMessage extends DeviceSignature {
        private final MessageDigest sha256;

        public OfMessage() throws NoSuchAlgorithmException {
            sha256 = MessageDigest.getInstance("SHA-256");
        }

        @Override
        protected void engineUpdate(byte b) {
            sha256.update(b);
        }

        @Override
        protected void engineUpdate(byte[] bytes, int offset, int length) {
            sha256.update(bytes, offset, length);
        }

        @Override
        byte[] digest() {
            return sha256.digest();
        }
    }
}
