/**
 * Most rows that one statement of clean-up removes, so that a backlog holds no lock for long and a kill loses one batch.
 * Clean-up is called again while it answers this many or more.
 */
export const batchRows = 10_000;
