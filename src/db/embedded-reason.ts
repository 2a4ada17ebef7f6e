/** The last lines in which a program says what went wrong, or else the last lines that it said. */
export function complaintIn(text: string): string {
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const complaints = lines.filter((line) => /FATAL|PANIC|ERROR|DETAIL|error:|could not/.test(line));
  return (complaints.length > 0 ? complaints : lines).slice(-3).join("; ").slice(-600);
}

/** What an operator can do about it, to be put behind the reason. */
export function hintFor(reason: string): string {
  if (/no space left|disk quota|ENOSPC|EDQUOT/i.test(reason))
    return "; hint: the disk is full; make room and start again";
  if (/EROFS|read-only file system/i.test(reason))
    return "; hint: DATA_DIR must be on a file system that can be written";
  if (/permission denied|EACCES|EPERM/i.test(reason))
    return "; hint: DATA_DIR must belong to the user that runs the service, who gives commands too";
  if (/shared memory|memory/i.test(reason)) return "; hint: the machine has too little memory for the database";
  if (/too many clients|remaining connection slots/i.test(reason))
    return "; hint: others have used up its max_connections: end one of them; a service that runs keeps its own, and its console contains";
  if (/incompatible with|version/i.test(reason)) return "; hint: the data was made by another version of PostgreSQL";
  return "; hint: read postgres.log in DATA_DIR";
}
