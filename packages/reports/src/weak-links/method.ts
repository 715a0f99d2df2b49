/** How it was found, in short; docs/reports/weak-links.md has it in full. */
export const METHOD = [
  'Lost at a place: the chain broke, and never reached a touchpoint from which more chains are won. Otherwise: the same place on other days, and other segments as far as they lose alike.',
  "Scan over periods (Kulldorff 1997; Walther & Perry 2022) by Fisher's exact test, corrected for all questions with a false-discovery rate (Benjamini & Hochberg 1995; Gavrilov et al. 2009); what a finding explains is taken out before the next one is looked for. Intervals: Newcombe 1998.",
] as const
