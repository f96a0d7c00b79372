// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.repeat;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.repeat.Answers.Answered;
import dev.tegata.platform.repeat.Answers.First;
import dev.tegata.platform.repeat.Answers.OtherRequest;
import dev.tegata.platform.repeat.Answers.Running;
import dev.tegata.platform.testing.TestClock;
import dev.tegata.platform.testing.TestDatabase;
import dev.tegata.platform.testing.TestPlatform;
import java.time.Duration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

@DisplayName("Answers to repeated requests")
final class AnswersTest {
    @RegisterExtension
    static final TestDatabase DATABASE = new TestDatabase();

    private static final Bytes REQUEST = Bytes.of((byte) 1);
    private static final Bytes OTHER = Bytes.of((byte) 2);
    private static final Bytes ANSWER = Bytes.of((byte) 3);

    private final TestClock clock = TestClock.create();

    private Answers answers;
    private TenantId tenant;
    private TenantId neighbour;

    @BeforeEach
    void open() {
        answers = new Answers(DATABASE.database(), clock);
        try (TestPlatform platform = TestPlatform.software(DATABASE.database(), clock)) {
            tenant = platform.tenant().tenant().id();
            neighbour = platform.tenant().tenant().id();
        }
    }

    @Test
    void aRequestIsFirstOnceThenRunningThenAnswered() {
        assertThat(answers.begin(tenant, "k", REQUEST)).isEqualTo(new First());
        assertThat(answers.begin(tenant, "k", REQUEST)).isInstanceOf(Running.class);
        answers.finish(tenant, "k", 201, ANSWER);

        assertThat(answers.begin(tenant, "k", REQUEST)).isEqualTo(new Answered(201, ANSWER));
    }

    @Test
    void aKeyIsForOneRequest() {
        answers.begin(tenant, "k", REQUEST);

        assertThat(answers.begin(tenant, "k", OTHER)).isEqualTo(new OtherRequest());
    }

    @Test
    void tenantsAndTheOperatorDoNotMeetInAKey() {
        answers.begin(tenant, "k", REQUEST);

        assertThat(answers.begin(neighbour, "k", REQUEST)).isEqualTo(new First());
        assertThat(answers.begin(null, "k-" + tenant, REQUEST)).isEqualTo(new First());
        answers.finish(null, "k-" + tenant, 201, ANSWER);
        assertThat(answers.begin(null, "k-" + tenant, REQUEST)).isEqualTo(new Answered(201, ANSWER));
    }

    @Test
    void aRefusedRequestFreesItsKeyAndAnAnsweredOneDoesNot() {
        answers.begin(tenant, "k", REQUEST);
        answers.forget(tenant, "k");
        assertThat(answers.begin(tenant, "k", OTHER)).isEqualTo(new First());
        answers.finish(tenant, "k", 201, ANSWER);
        answers.forget(tenant, "k");

        assertThat(answers.begin(tenant, "k", OTHER)).isEqualTo(new Answered(201, ANSWER));
    }

    @Test
    void anAnswerIsRememberedForADay() {
        answers.begin(tenant, "k", REQUEST);
        answers.finish(tenant, "k", 201, ANSWER);
        clock.advance(Duration.ofHours(23));
        assertThat(answers.begin(tenant, "k", REQUEST)).isInstanceOf(Answered.class);
        clock.advance(Duration.ofHours(2));

        assertThat(answers.begin(tenant, "k", OTHER)).isEqualTo(new First());
    }
}
