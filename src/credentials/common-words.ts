/**
 * Words that common passwords are made of: with digits around them, with letters written as digits, doubled, or two in a
 * row. Written down for this list from what people are known to choose (greetings, names, animals, sports, places,
 * months, keyboards); copied from no leaked or licensed list. Lower case, without spaces.
 */
export const commonWords: ReadonlySet<string> = new Set(
  `
password passwort passw passwd pass motdepasse contrasena senha wachtwoord parola secret geheim access login logon
admin administrator root user guest test testing demo default changeme temp temporary system server master manager
welcome hello hallo hola bonjour salut letmein openup open sesame iloveyou loveyou love lover loves lovely liebe amor
amour teamo jetaime forever always never again please thanks sorry trustno whatever nothing something everything
qwerty qwertz azerty qwertyuiop asdf asdfgh asdfghjkl zxcv zxcvbn zxcvbnm qazwsx qwe asd zxc abc abcd abcdef abcdefg
one two three four five six seven eight nine ten zero hundred thousand million lucky number
monkey dragon tiger lion bear wolf eagle falcon hawk panther cobra snake shark dolphin whale horse mustang pony
stallion bunny rabbit kitty kitten puppy doggy doggie dog cat fish bird chicken duck turtle spider butterfly ladybug
panda koala elephant giraffe zebra mouse hamster buddy max bella charlie lucy rocky bailey molly daisy jack sadie toby
cody buster duke zoe riley simba shadow ginger smokey pepper oreo coco princess prince king queen angel devil demon
heaven hell god jesus christ lord faith hope grace bless blessed church bible mary joseph gabriel michael samuel
sunshine sun moon star stars sky rain snow summer winter spring autumn fall january february march april may june
july august september october november december monday tuesday wednesday thursday friday saturday sunday
red blue green yellow orange purple pink black white silver gold golden brown grey gray rainbow
football soccer baseball basketball hockey tennis golf rugby cricket volleyball swimming running boxing wrestling
yankees lakers cowboys steelers eagles packers giants arsenal chelsea liverpool barcelona realmadrid madrid juventus
bayern milan ajax united city rangers celtic everton tottenham ferrari porsche mercedes bmw audi toyota honda yamaha
suzuki nissan ford chevy corvette camaro harley racing turbo speed
batman superman spiderman ironman hulk wolverine joker avengers marvel starwars skywalker yoda vader matrix neo
trinity pokemon pikachu mario luigi zelda sonic minecraft fortnite roblox naruto sasuke goku vegeta dragonball
harrypotter potter hermione gandalf frodo hobbit disney mickey minnie tinkerbell barbie hellokitty scooby garfield
snoopy simpson homer bart
computer internet windows microsoft apple google facebook samsung iphone android nokia sony nintendo playstation xbox
linux hacker hacking cheese chocolate cookie cookies banana cherry strawberry peach apples lemon melon pizza burger
coffee pepsi cocacola vodka whiskey beer candy sugar honey butter bacon pancake muffin cupcake peanut pumpkin tomato
sweet sweety sweetie baby babygirl babyboy babe darling cutie pretty beautiful gorgeous handsome sexy hottie hot cool
crazy happy smile smiley funny lucky magic mystic dream dreams dreamer freedom liberty justice peace love power
strong super mega ultra hyper hero legend champion winner killer hunter fighter warrior ninja samurai pirate soldier
ranger sniper gangster thunder lightning storm fire flame ice water ocean beach island river mountain forest flower
rose lily tulip jasmine violet orchid lotus diamond crystal pearl jewel ruby emerald
mother father mom mum mommy mama dad daddy papa sister brother family friend friends bestfriend boyfriend girlfriend
husband wife children kids son daughter grandma grandpa
michael jordan jessica ashley jennifer michelle daniel david thomas robert william james john matthew andrew joshua
anthony christopher nicholas alexander jonathan brandon justin tyler kevin steven brian jason eric adam aaron nathan
patrick richard charles george edward henry oliver harry oscar lucas martin peter paul mark luke simon stefan andreas
sebastian maximilian julian florian tobias felix elizabeth victoria sarah samantha amanda nicole stephanie melissa
rebecca rachel laura hannah emily emma olivia sophie sophia isabella natalie vanessa claudia sandra andrea julia anna
maria marie carmen rosa elena patricia veronica monica daniela alejandro fernando carlos antonio francisco miguel
pierre nicolas camille juliette chantal
america american usa canada mexico brazil brasil argentina england london paris berlin germany deutschland france italy
italia spain espana russia moscow china japan tokyo india australia sydney newyork texas florida california chicago
boston dallas miami vegas hollywood
music guitar piano drums metallica nirvana eminem slipknot beatles elvis madonna rock rocknroll punk metal hiphop
movie movies cinema film films stream streaming series video videos netflix youtube television watch
school college student teacher doctor nurse police fireman soldier money dollar bitcoin business company office
fuck fucker fuckoff fuckyou shit bitch asshole pussy sex sexsex
`
    .trim()
    .split(/\s+/),
);
