// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.VaultException;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.repeat.Answers;
import dev.tegata.server.http.Json;
import dev.tegata.server.http.Problem;
import dev.tegata.server.http.ProblemException;
import dev.tegata.server.http.Request;
import dev.tegata.server.http.Response;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Carries out a request with an `Idempotency-Key` once, and answers its repetitions as the first time.
///
/// - A key belongs to the API key that used it; two callers cannot meet in one.
/// - Answers may hold a secret (a new API key). They are stored sealed under a key made from the caller's own API key,
///   of which only a hash is stored: the database alone opens none of them.
/// - A refusal or a vault that is away has changed nothing and frees the key. After any other failure nobody knows;
/// then
///   a repetition is told to look.
final class Repetition {
    private static final String HEADER = "Idempotency-Key";

    private final Answers answers;
    private final AnswerSeal seal;

    Repetition(Answers answers, AnswerSeal seal) {
        this.answers = answers;
        this.seal = seal;
    }

    /// What is to be done once.
    interface Work {
        Response run() throws IOException;
    }

    /// What is kept of an answer: enough to give it again.
    record Kept(Map<String, String> headers, String body) {}

    Response once(Request request, @Nullable TenantId tenant, String callerId, String token, Work work)
            throws IOException {
        Optional<String> given = request.header(HEADER);
        if (given.isEmpty()) {
            return work.run();
        }
        if (!given.get().matches("[\\x21-\\x7e]{1,128}")) {
            throw new RefusedException(
                    ErrorCode.INVALID_FIELD, HEADER + " must be 1 to 128 visible ASCII characters without spaces");
        }
        String key = callerId + " " + given.get();
        return switch (answers.begin(tenant, key, digest(request, token))) {
            case Answers.First _ -> first(tenant, key, token, work);
            case Answers.Answered answered -> again(answered, key, token);
            case Answers.OtherRequest _ ->
                throw new RefusedException(
                        ErrorCode.IDEMPOTENCY_KEY_REUSED, "the first request with this key was another one");
            case Answers.Running running ->
                throw new ProblemException(new Problem(
                                ErrorCode.CONFLICT,
                                "the request with this key that came at " + running.since()
                                        + " has no answer yet; where it was interrupted, see what it did before sending"
                                        + " it again with a new key")
                        .with("Retry-After", "1"));
        };
    }

    private Response first(@Nullable TenantId tenant, String key, String token, Work work) throws IOException {
        Response response;
        try {
            response = work.run();
        } catch (RefusedException | ProblemException | VaultException e) {
            answers.forget(tenant, key);
            throw e;
        }
        Kept kept = new Kept(response.headers(), new String(response.content(), StandardCharsets.UTF_8));
        answers.finish(tenant, key, response.status(), seal.seal(Json.write(kept), key, token));
        return response;
    }

    private Response again(Answers.Answered answered, String key, String token) {
        Kept kept = Json.read(seal.open(answered.answer(), key, token), Kept.class);
        Response response =
                Response.of(answered.status(), "application/json", kept.body().getBytes(StandardCharsets.UTF_8));
        for (Map.Entry<String, String> header : kept.headers().entrySet()) {
            response = response.with(header.getKey(), header.getValue());
        }
        return response.with("Idempotency-Replayed", "true");
    }

    /// Of all that the request says, the caller's own key included, which alone opens the stored answer; of a streamed
    /// body, which nobody has read yet, its length.
    private static Bytes digest(Request request, String token) {
        String head = String.join(
                "\n",
                token,
                request.method(),
                request.target(),
                request.contentType(),
                request.header("Content-Length").orElse("chunked"),
                "");
        return Bytes.sha256(head.getBytes(StandardCharsets.UTF_8), request.body());
    }
}
