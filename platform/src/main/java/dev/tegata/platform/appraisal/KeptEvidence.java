// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.appraisal;

import dev.tegata.attestation.appraisal.EvidenceOutcome;
import java.sql.Array;
import java.sql.SQLException;
import java.util.List;

/// Evidence as stored appraisals keep it, for those who judge it again.
public final class KeptEvidence {
    private KeptEvidence() {}

    /// Reads the columns `claims` and `problems` of an appraisal.
    public static List<EvidenceOutcome> of(Array claims, String problems) throws SQLException {
        return AppraisalLog.outcomes(claims, problems);
    }
}
