import { commonWords } from "./common-words.ts";

/**
 * The small built-in blocklist: long passwords that turn up at the top of cracking lists once shorter ones cannot be
 * chosen. Lower case, without spaces, dots, dashes and underscores. Compared with the entire password.
 *
 * Source: NIST SP 800-63B-4 section 3.1.1.2 (commonly used, expected or compromised).
 */
const commonPhrases: ReadonlySet<string> = new Set(
  `
0123456789abcdef
0987654321098765
111222333444555
112233445566778
1122334455667788
11235813213455
123123123123123
123456789012345
1234567890123456
1234567890abcdef
12345678910111213
1234567891011121314
147258369147258
159753159753159
1q2w3e4r5t6y7u8i
1q2w3e4r5t6y7u8i9o0p
1qaz2wsx3edc4rfv
1qaz2wsx3edc4rfv5tgb
27182818284590452
3141592653589793
31415926535897932
741852963741852
9876543210987654
987654321987654
abcdefg1234567890
abcdefgh12345678
abcdefghijklmno
abcdefghijklmnop
abcdefghijklmnopqrstuvwxyz
abcdefghijklmnopqrstuvwxyz123
adminadminadmin
administrator
administrator1
administrator123
arsenalfootballclub
asdfghjklqwertyuiop
asdfghjklzxcvbnm
averylongpassword
barcelonafc
baseballbaseball
basketballbasketball
batmanbatmanbatman
breakingbad
butterflybutterfly
callofduty
callofdutyblackops
captainamerica
changemechangeme
changemeplease
changethispassword
chelseafootballclub
chocolatechocolate
computercomputer
correcthorsebattery
correcthorsebatterystaple
counterstrike
dallascowboys
defaultpassword
dragondragondragon
enterpassword
enteryourpassword
facebookfacebook
footballfootball
forgotpassword
fortnitefortnite
fuckyouall
fuckyoufuckyou
fuckyoufuckyoufuckyou
gameofthrones
godisgood
godisgoodallthetime
goldenstatewarriors
googlegoogle
grandtheftauto
hakunamatata
happybirthday
happybirthdaytoyou
happynewyear
harrypotter
harrypotterharrypotter
hellohellohello
helloworld
helloworldhelloworld
idontknow
idontknowmypassword
iforgot
iforgotmypassword
ihatepasswords
ihatethispassword
ilovechocolate
ilovemusic
ilovemycat
ilovemydog
ilovemyfamily
ilovemyhusband
ilovemymom
ilovemyself
ilovemywife
iloveyou
iloveyouforever
iloveyouiloveyou
iloveyousomuch
imissyou
imissyousomuch
internetinternet
inthenameofgod
ironmanironman
jesuschrist
jesuschristislord
jesuslovesme
leagueoflegends
letmein
letmeinletmein
letmeinplease
letsgobrandon
liverpoolfc
liverpoolfootballclub
longpassword
lordoftherings
losangeleslakers
makeamericagreatagain
manchestercity
manchesterunited
master123master
masterm
maytheforce
maytheforcebewithyou
merrychristmas
merrychristmasandahappynewyear
microsoft
microsoftwindows
minecraftminecraft
monkeymonkeymonkey
movienight
moviesmovies
mustangmustang
mylongpassword
mypassword
mypassword123
mystrongpassword
mysupersecretpassword
netflixandchill
netflixnetflix
newpassword
newpassword123
newyorkyankees
nintendoswitch
nopassword
nopasswordneeded
opensesameopensesame
passw0rdpassw0rd
password
password1
passwordispassword
passwordpassword
passwordsareboring
pikachupikachu
playstation
playstation4
playstation5
pokemonpokemon
popcornpopcorn
princessprincess
q1w2e3r4t5y6u7i8
q1w2e3r4t5y6u7i8o9p0
qazwsxedcrfvtgb
qazwsxedcrfvtgbyhnujm
qwertyqwerty
qwertyqwertyqwerty
qwertyuiop
qwertyuiopasdf
qwertyuiopasdfg
qwertyuiopasdfgh
qwertyuiopasdfghjkl
qwertyuiopasdfghjklzxcvbnm
reallylongpassword
realmadrid
rootrootrootroot
samsungsamsung
secretpassword
secretsecretsecret
securepassword
shadowshadowshadow
soccersoccersoccer
spidermanspiderman
starwarsstarwars
strangerthings
strawberry
strawberrystrawberry
streaming
streamingservice
strongpassword
sunshinesunshine
supercalifragilisticexpialidocious
superman
superman123
supermansuperman
supersecretpassword
televisiontelevision
temporarypassword
theanswerisfortytwo
theavengers
thequickbrownfox
thequickbrownfoxjumps
thequickbrownfoxjumpsoverthelazydog
thisisapassword
thisisasecurepassword
thisismypassword
thisismysecurepassword
tobeornottobe
tobeornottobethatisthequestion
trustno1trustno1
trustnoonetrustnoone
typeyourpassword
verylongpassword
verystrongpassword
welcomehome
welcometothejungle
welcomewelcome
whatever
whateverwhatever
winteriscoming
worldofwarcraft
youshallnotpass
zaq12wsxcde34rfv
zaq1xsw2cde3vfr4
zxcvbnmasdfghjkl
zxcvbnmasdfghjklqwertyuiop
`
    .trim()
    .split("\n"),
);

const digitAsLetter: Readonly<Record<string, string>> = {
  "@": "a",
  "4": "a",
  "3": "e",
  "1": "i",
  "!": "i",
  "0": "o",
  $: "s",
  "5": "s",
  "7": "t",
};

/**
 * Whether an entire password is one of the first that thieves try: a phrase of the list, a common word, or two of them,
 * with any digits and signs around and letters written as digits. `plain` is lower case, without spaces, dots, dashes and
 * underscores. The words stand for more than 3,000 passwords of every allowed length.
 *
 * Source: ASVS 5.0 6.2.4; NIST SP 800-63B-4 section 3.1.1.2.
 */
export function isCommonPassword(plain: string): boolean {
  const bare = plain.replace(/^[\d\p{P}\p{S}]+|[\d\p{P}\p{S}]+$/gu, "");
  const asLetters = (text: string): string => text.replace(/[@43!10$57]/g, (sign) => digitAsLetter[sign] ?? sign);
  return [plain, bare, asLetters(plain), asLetters(bare)].some(
    (text) => commonPhrases.has(text) || commonPhrases.has(text.replace(/\d+$/, "")) || isMadeOfWords(text),
  );
}

function isMadeOfWords(text: string): boolean {
  if (commonWords.has(text)) return true;
  for (let length = 2; length <= text.length - 2 && length <= 20; length++) {
    if (commonWords.has(text.slice(0, length)) && commonWords.has(text.slice(length))) return true;
  }
  return false;
}
