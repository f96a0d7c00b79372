// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// The verifier service: nonces and sessions, appraisals by endorsements and policy, results and the keys
/// that sign them, and what is kept of each appraisal so that it can be judged again.
@NullMarked
package dev.tegata.platform.appraisal;

import org.jspecify.annotations.NullMarked;
