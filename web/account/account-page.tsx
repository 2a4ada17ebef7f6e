import { useQuery } from "@tanstack/react-query";
import { Failed } from "../app/failed.tsx";
import { PageFrame } from "../app/page-frame.tsx";
import { accountQuery, devicesQuery } from "../app/queries.ts";
import { say } from "../text/say.ts";
import { AddressesSection } from "./addresses-section.tsx";
import { DevicesSection } from "./devices-section.tsx";
import { EventsSection } from "./events-section.tsx";
import { PasskeysSection } from "./passkeys-section.tsx";
import { LeavingSection } from "./leaving-section.tsx";
import { PasswordSection } from "./password-section.tsx";
import { SecondFactorSection } from "./second-factor-section.tsx";
import { YouSection } from "./you-section.tsx";
import "./account.css";

/** Each section is a file of its own; a new kind of credential brings its section and a line here. */
export function AccountPage() {
  const account = useQuery(accountQuery);
  const devices = useQuery(devicesQuery);
  // What is here stays, with what was typed into it, when it cannot be asked for again.
  const failed = account.isLoadingError ? account.error : devices.isLoadingError ? devices.error : null;
  return (
    <PageFrame title={say("account.title")} className="account">
      <div className="narrow">
        <div className="page-heading">
          <h1>{say("account.title")}</h1>
          <p className="lead">{say("account.lead")}</p>
        </div>
        {failed !== null ? (
          <Failed error={failed} retry={() => Promise.all([account.refetch(), devices.refetch()])} />
        ) : account.data === undefined || devices.data === undefined ? (
          <div className="account-parts" role="status">
            <span className="visually-hidden">{say("account.loading")}</span>
            <span className="skeleton is-card" />
            <span className="skeleton is-card" />
            <span className="skeleton is-card" />
          </div>
        ) : (
          <div className="account-parts">
            <DevicesSection devices={devices.data.devices} />
            <AddressesSection addresses={account.data.addresses} />
            <PasswordSection account={account.data} />
            <PasskeysSection />
            <SecondFactorSection hasPassword={account.data.passwordSetAt !== null} />
            <YouSection account={account.data} />
            <EventsSection />
            <LeavingSection />
          </div>
        )}
      </div>
    </PageFrame>
  );
}
