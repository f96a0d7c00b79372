// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import dev.tegata.pki.key.NativeProvider;
import io.netty.bootstrap.Bootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseDecoder;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.handler.ssl.SslHandler;
import io.netty.handler.ssl.util.InsecureTrustManagerFactory;
import java.io.ByteArrayInputStream;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.Principal;
import java.security.PrivateKey;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLException;
import javax.net.ssl.X509ExtendedKeyManager;
import org.jspecify.annotations.Nullable;

/// Many devices on one event loop per core: as much TLS and HTTP as is needed to load a server, and as
/// little work of our own as possible.
///
/// The server is not checked: it is our own child, and checking its chain would cost the machine more than
/// all the rest.
final class TlsClients implements AutoCloseable {
    private static final int TIMEOUT_SECONDS = 30;

    private final EventLoopGroup loops =
            new MultiThreadIoEventLoopGroup(Runtime.getRuntime().availableProcessors(), NioIoHandler.newFactory());
    private final SSLContext context;
    private final String host;
    private final int port;

    /// @param server `https://host:port`
    TlsClients(String server, List<Identity> identities) throws GeneralSecurityException {
        URI address = URI.create(server);
        host = address.getHost();
        port = address.getPort();
        context = SSLContext.getInstance("TLS", NativeProvider.find().orElseThrow());
        context.init(
                new KeyManager[] {new ByPeerName(identities)},
                InsecureTrustManagerFactory.INSTANCE.getTrustManagers(),
                null);
        context.getClientSessionContext().setSessionCacheSize(1); // every handshake is a full one
    }

    /// What a device shows.
    record Identity(PrivateKey key, X509Certificate certificate) {}

    /// What devices show before their first enrolment.
    static List<Identity> identities(List<Unit> units) throws CertificateException {
        CertificateFactory factory =
                CertificateFactory.getInstance("X.509", NativeProvider.find().orElseThrow());
        List<Identity> identities = new ArrayList<>(units.size());
        for (Unit unit : units) {
            X509Certificate certificate = (X509Certificate) factory.generateCertificate(
                    new ByteArrayInputStream(unit.certificate().toArray()));
            identities.add(new Identity(unit.birth().privateKey(), certificate));
        }
        return identities;
    }

    static void expectOk(int status) {
        if (status != 200) {
            throw new IllegalStateException("the server answered with status " + status);
        }
    }

    /// Connects as device `i`, asks once, and leaves.
    ///
    /// @return the HTTP status
    int ask(int i, byte[] request) throws Exception {
        Device device = connect(i);
        try {
            return device.ask(request);
        } finally {
            device.leave();
        }
    }

    /// Connects as device `i` and stays.
    Device connect(int i) throws Exception {
        SSLEngine engine = context.createSSLEngine(ByPeerName.nameOf(i), port);
        engine.setUseClientMode(true);
        Device device = new Device();
        SslHandler tls = new SslHandler(engine);
        Bootstrap bootstrap = new Bootstrap()
                .group(loops)
                .channel(NioSocketChannel.class)
                .option(ChannelOption.TCP_NODELAY, true)
                .handler(new ChannelInitializer<>() {
                    @Override
                    protected void initChannel(Channel channel) {
                        channel.pipeline().addLast(tls, new HttpResponseDecoder(), device);
                    }
                });
        device.channel = bootstrap.connect(host, port).sync().channel();
        tls.handshakeFuture().get(TIMEOUT_SECONDS, TimeUnit.SECONDS);
        return device;
    }

    /// A request as it goes over the wire.
    static byte[] get(String path) {
        return ("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n").getBytes(StandardCharsets.US_ASCII);
    }

    /// A request as it goes over the wire.
    static byte[] post(String path, String contentType, String body) {
        return "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s"
                .formatted(path, contentType, body.length(), body)
                .getBytes(StandardCharsets.US_ASCII);
    }

    @Override
    public void close() {
        loops.shutdownGracefully(0, 5, TimeUnit.SECONDS).syncUninterruptibly();
    }

    /// One connection.
    static final class Device extends SimpleChannelInboundHandler<HttpObject> {
        private @Nullable Channel channel;
        private volatile CompletableFuture<Integer> answer = new CompletableFuture<>();
        private int status;
        private @Nullable StringBuilder text;

        /// Sends a request and waits for its answer's status.
        int ask(byte[] request) throws Exception {
            return begin(request).get(TIMEOUT_SECONDS, TimeUnit.SECONDS);
        }

        /// Sends a request. The status of its answer is told by the thread that reads it.
        CompletableFuture<Integer> begin(byte[] request) {
            CompletableFuture<Integer> mine = new CompletableFuture<>();
            answer = mine;
            ByteBuf buffer = Unpooled.wrappedBuffer(request);
            open().writeAndFlush(buffer);
            return mine;
        }

        /// As [#ask], for an answer that says 200 and is worth reading.
        String askForText(byte[] request) throws Exception {
            StringBuilder kept = new StringBuilder();
            text = kept;
            expectOk(ask(request));
            text = null;
            return kept.toString();
        }

        /// Says goodbye and closes the connection.
        void leave() {
            SSLEngine engine = open().pipeline().get(SslHandler.class).engine();
            open().close().addListener(_ -> {
                try {
                    engine.closeInbound(); // Conscrypt keeps two file handles until both directions are closed
                } catch (SSLException e) {
                    // The server did not say goodbye: nobody waits for it.
                }
            });
        }

        private Channel open() {
            if (channel == null) {
                throw new IllegalStateException("not connected");
            }
            return channel;
        }

        @Override
        protected void channelRead0(ChannelHandlerContext context, HttpObject part) {
            if (part instanceof HttpResponse head) {
                status = head.status().code();
            }
            if (part instanceof HttpContent content && text != null) {
                text.append(content.content().toString(StandardCharsets.US_ASCII));
            }
            if (part instanceof LastHttpContent) {
                answer.complete(status);
            }
        }

        @Override
        public void channelInactive(ChannelHandlerContext context) {
            answer.completeExceptionally(new IllegalStateException("the server closed the connection"));
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
            answer.completeExceptionally(cause);
            context.close();
        }
    }

    /// One TLS context for all devices: the name under which an engine knows its peer says whose key it
    /// shows.
    private static final class ByPeerName extends X509ExtendedKeyManager {
        private static final String PREFIX = "device-";

        private final List<Identity> identities;

        ByPeerName(List<Identity> identities) {
            this.identities = List.copyOf(identities);
        }

        static String nameOf(int i) {
            return PREFIX + i;
        }

        private Identity identity(String name) {
            return identities.get(Integer.parseInt(name.substring(PREFIX.length())));
        }

        @Override
        public String chooseEngineClientAlias(String[] keyTypes, Principal @Nullable [] issuers, SSLEngine engine) {
            return engine.getPeerHost();
        }

        @Override
        public PrivateKey getPrivateKey(String alias) {
            return identity(alias).key();
        }

        @Override
        public X509Certificate[] getCertificateChain(String alias) {
            return new X509Certificate[] {identity(alias).certificate()};
        }

        @Override
        public String[] getClientAliases(String keyType, Principal @Nullable [] issuers) {
            return new String[0];
        }

        @Override
        public @Nullable String chooseClientAlias(
                String[] keyTypes, Principal @Nullable [] issuers, @Nullable Socket socket) {
            return null;
        }

        @Override
        public String[] getServerAliases(String keyType, Principal @Nullable [] issuers) {
            return new String[0];
        }

        @Override
        public @Nullable String chooseServerAlias(
                String keyType, Principal @Nullable [] issuers, @Nullable Socket socket) {
            return null;
        }
    }
}
