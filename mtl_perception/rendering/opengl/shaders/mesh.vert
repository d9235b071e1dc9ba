#version 330 core
uniform mat4 model;
uniform mat4 view;        // world -> optical frame
uniform mat4 projection;  // optical frame -> clip space
uniform mat4 light;       // world -> shadow map

in vec3 position;
in vec3 normal;
in vec2 uv;
in vec4 tint;
in uvec4 surface;

out vec3 world;
out vec3 optical;
out vec3 facing;
out vec2 texel;
out vec4 paint;
out vec4 in_light;
flat out uvec4 material;

void main() {
    vec4 place = model * vec4(position, 1.0);
    world = place.xyz;
    optical = (view * place).xyz;
    facing = mat3(model) * normal;
    texel = uv;
    paint = tint;
    in_light = light * place;
    material = surface;
    gl_Position = projection * vec4(optical, 1.0);
}
