// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.store;

import dev.tegata.platform.testing.TestDatabase;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.RegisterExtension;

@DisplayName("The tenants' wall on the embedded server, as the owner of the database")
class EmbeddedTenantWallTest extends TenantWallContract {
    @RegisterExtension
    static final TestDatabase testDatabase = new TestDatabase();

    @Override
    TestDatabase testDatabase() {
        return testDatabase;
    }
}
