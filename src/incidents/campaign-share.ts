/** The part of the relay's allowance that a campaign uses; the rest is for letters that somebody waits for. */
export const campaignShare = 0.9;
export const campaignShareText = `${campaignShare * 100} %`;
